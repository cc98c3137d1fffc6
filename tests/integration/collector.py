"""A real HTTP(S) server that takes OTLP, remembers it, and answers as a test tells it to."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import zstandard
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)

PROFILES = "/v1development/profiles"
METRICS = "/v1/metrics"
MESSAGES = {PROFILES: ExportProfilesServiceRequest, METRICS: ExportMetricsServiceRequest}


def attributes(pairs):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in pairs}


class Request:
    def __init__(self, path, headers, body, status):
        self.path, self.headers, self.body, self.status = path, headers, body, status

    def message(self):
        """The decoded body, by the official definitions."""
        m = MESSAGES[self.path]()
        m.ParseFromString(zstandard.ZstdDecompressor().decompressobj().decompress(self.body))
        return m

    def windows(self):
        """(start, end, id) of each profile."""
        return [
            (p.time_unix_nano, p.time_unix_nano + p.duration_nano, p.profile_id)
            for r in self.message().resource_profiles
            for s in r.scope_profiles
            for p in s.profiles
        ]

    def points(self):
        """{metric: [(attributes, value)]}"""
        found = {}
        for r in self.message().resource_metrics:
            for s in r.scope_metrics:
                for m in s.metrics:
                    kind = m.sum if m.HasField("sum") else m.gauge
                    for p in kind.data_points:
                        value = p.as_double if p.HasField("as_double") else p.as_int
                        found.setdefault(m.name, []).append((attributes(p.attributes), value))
        return found

    def resource(self):
        m = self.message()
        parts = m.resource_profiles if self.path == PROFILES else m.resource_metrics
        return attributes(parts[0].resource.attributes)


class Collector:
    """reply(request) -> status, or (status, headers, body); 200 to everything by default."""

    def __init__(self, port=0, certificate=None, reply=None):
        self.requests = []
        self.reply = reply or (lambda request: 200)
        self.changed = threading.Condition()
        self.certificate = certificate
        self.port = port
        self.start()

    def start(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector.handle(self)

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Http(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            open_sockets = set()

            def process_request(self, request, address):
                self.open_sockets.add(request)
                super().process_request(request, address)

            def handle_error(self, request, address):
                pass  # connections break when a test wants it

        self.http = Http(("127.0.0.1", self.port), Handler)
        self.http.open_sockets = set()
        self.port = self.http.server_address[1]
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}"

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        request = Request(handler.path, dict(handler.headers), body, None)
        answer = self.reply(request)
        status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
        request.status = status
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def of(self, path, status=None):
        return [r for r in self.requests if r.path == path and status in (None, r.status)]

    def wait(self, condition, timeout=120):
        """Until condition() is true; looked at whenever a request was answered."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), (
                f"not within {timeout} s; came: {[(r.path, r.status) for r in self.requests]}"
            )

    def stop(self):
        """Gone: nobody listens, connections are cut."""
        self.http.shutdown()
        self.http.server_close()
        for s in self.http.open_sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
