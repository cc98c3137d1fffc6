"""The server as strangers on a socket see it: slow, rude, broken and vanishing clients; TLS; stopping."""

import gzip
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import otlp
import pytest
import requests
from conftest import PASSWORD, Client


class Wire:
    """A raw connection."""

    def __init__(self, server, text=b""):
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=120)
        self.data = b""
        self.send(text)

    def send(self, text):
        self.sock.sendall(text.encode() if isinstance(text, str) else text)
        return self

    def answer(self):
        """(status, headers, body) of the next answer."""
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.lower(): v for k, v in (l.split(": ", 1) for l in lines[1:])}
        size = int(headers.get("content-length", 0))
        while len(self.data) < size:
            self._more()
        body, self.data = self.data[:size], self.data[size:]
        return status, headers, body

    def _more(self):
        part = self.sock.recv(65536)
        assert part, f"closed early after {self.data!r}"
        self.data += part

    def ends(self):
        """Has the server ended the connection, with nothing more to say?"""
        try:
            return self.sock.recv(65536) == b""
        except ConnectionError:
            return True


def get(path="/healthz", more=""):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"


def post(path, length, more="", kind="application/json"):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"


def code(answer):
    return json.loads(answer[2])["error"]["code"]


def test_headers_of_every_answer(server):
    for path in ("/", "/healthz", "/api/v1/me", "/nothing.txt", "/api/v1/nothing", "/install.sh"):
        headers = requests.get(server.url + path, timeout=120).headers
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")
        assert headers["Date"]


def test_page(server):
    r = requests.get(server.url + "/", timeout=120)
    assert r.status_code == 200 and r.headers["Content-Type"] == "text/html; charset=utf-8"
    for path in ("/services", "/services/shop.api", "/keys/new"):
        assert requests.get(server.url + path, timeout=120).text == r.text
    for path in ("/favicon.ico", "/assets/nothing.js", "/assets/", "/assets/../etc/passwd", "/api/v2", "/v1/x", "/download/x"):
        assert Wire(server, get(path)).answer()[0] == 404, path
    tag = r.headers["ETag"]
    r = requests.get(server.url + "/", headers={"If-None-Match": f'"x", {tag}'}, timeout=120)
    assert (r.status_code, r.content) == (304, b"")


def test_assets(server):
    page = requests.get(server.url + "/", timeout=120).text
    names = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert not re.search(r"https?://|<script>|<style| style=| on\w+=", page)
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    for name in names:
        r = requests.get(server.url + name, headers={"Accept-Encoding": "identity"}, timeout=120)
        assert r.status_code == 200
        assert r.headers["Content-Type"] == kinds[os.path.splitext(name)[1]]
        answer = Wire(server, get(name, "Accept-Encoding: gzip\r\n")).answer()
        if answer[1].get("content-encoding") == "gzip":
            assert gzip.decompress(answer[2]) == r.content
            assert len(answer[2]) < len(r.content)


def test_keep_alive_and_pipelines(server):
    wire = Wire(server, get() + get("/api/v1/status") + get("/") + get("/api/v1/me") + get())
    assert [wire.answer()[0] for _ in range(5)] == [200, 200, 200, 401, 200]
    wire.send(get("/healthz", "Connection: close\r\n"))
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.ends()
    old = Wire(server, "GET /healthz HTTP/1.0\r\n\r\n")
    assert old.answer()[0] == 200 and old.ends()


def test_head_has_no_body(server):
    wire = Wire(server, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while b"\r\n\r\n" not in wire.data:
        wire._more()
    assert wire.data.endswith(b"\r\n\r\n") and b"Content-Length: " in wire.data
    wire.data = b""
    assert wire.send(get()).answer()[0] == 200


def test_methods(server):
    status, headers, _ = Wire(server, "PUT /api/v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
    assert (status, headers["allow"]) == (405, "GET, POST")
    for method in ("DELETE", "PATCH", "TRACE", "BREW"):
        assert Wire(server, f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()[0] == 405


def test_bodies_over_the_limit_are_refused_at_once(server):
    """The refusal comes before the body was sent, whether it is announced or comes in chunks."""
    wire = Wire(server, post("/api/v1/session", 16385))
    answer = wire.answer()
    assert (answer[0], code(answer)) == (413, "too_large")
    wire = Wire(server, post("/api/v1/session", 10**12))
    assert wire.answer()[0] == 413
    wire = Wire(server, post("/v1development/profiles", 10**12, "Authorization: Bearer x\r\n"))
    assert wire.answer()[0] == 413
    chunked = (
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n"
    )
    wire = Wire(server, chunked).send(b"x" * 0x4000 + b"\r\n")
    assert wire.send("1\r\n").answer()[0] == 413
    wire = Wire(server, get("/", "Content-Length: 1\r\n"))
    assert wire.answer()[0] == 413


def test_a_client_that_talks_on_still_gets_its_413(server):
    wire = Wire(server, post("/api/v1/session", 50_000_000))
    answers = []
    reader = threading.Thread(target=lambda: answers.append(wire.answer()))
    reader.start()
    try:
        for _ in range(50):
            wire.send(b"x" * 1_000_000)
    except ConnectionError:
        pass
    reader.join(60)
    assert answers[0][0] == 413


def test_chunked_bodies(server):
    body = json.dumps({"email": "a@b", "password": PASSWORD}).encode()
    head = "POST /api/v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = Wire(server, head)
    for byte in body:
        wire.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    assert wire.send("0\r\n\r\n").answer()[0] == 201
    answer = Wire(server, head).send("5\r\nhello!!").answer()
    assert answer[0] == 400 and "chunks" in json.loads(answer[2])["error"]["message"]


def test_expect_continue(server):
    body = b'{"email":"a@b","password":"correct horse battery"}'
    wire = Wire(server, post("/api/v1/accounts", len(body), "Expect: 100-continue\r\n"))
    assert wire.answer()[0] == 100
    assert wire.send(body).answer()[0] == 201
    assert Wire(server, post("/api/v1/accounts", 10**9, "Expect: 100-continue\r\n")).answer()[0] == 413


@pytest.mark.parametrize(
    "text, status",
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("\r\n\r\n", 400),
        ("\x00\x01\x02\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 200 + "\r\n", 431),
        ("GET /" + "a" * 20000 + " HTTP/1.1\r\n", 431),
        ("GET /api/v1/flamegraph?a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /?" + "a=1&" * 100 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 600 + "\r\n\r\n", 400),
    ],
)
def test_broken_requests(server, text, status):
    wire = Wire(server, text.encode("latin-1"))
    answer = wire.answer()
    assert answer[0] == status and json.loads(answer[2])["error"]["message"]
    # What cannot be framed ends the connection; what is merely wrong does not.
    assert wire.ends() if answer[1].get("connection") == "close" else wire.send(get()).answer()[0] == 200
    assert Wire(server, get()).answer()[0] == 200


def test_slow_clients_are_cut(server):
    """One byte a second neither holds a connection for ever nor keeps others from being served."""
    begun = time.monotonic()
    slow = [Wire(server, "GET / HTTP/1.1\r\n") for _ in range(50)]
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.5):
            for wire in slow:
                try:
                    wire.send("X: y\r\n")
                except OSError:
                    pass

    feeder = threading.Thread(target=trickle)
    feeder.start()
    assert Wire(server, get()).answer()[0] == 200
    try:
        for wire in slow:
            answer = wire.answer()
            assert (answer[0], code(answer)) == (408, "timeout")
    finally:
        stop.set()
        feeder.join()
    # Not before ten seconds; that it is not for ever is what the answers say.
    assert time.monotonic() - begun > 8


def test_clients_that_vanish(server):
    """Connections closed or reset at every stage, with workers busy on their requests."""
    body = json.dumps({"email": "nobody@b", "password": PASSWORD})
    request = post("/api/v1/session", len(body)) + body
    for _ in range(3):
        for end in range(0, len(request), 40):
            Wire(server, request[:end]).sock.close()
        wires = [Wire(server, request) for _ in range(6)]
        for wire in wires:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.sock.close()
    assert Wire(server, get()).answer()[0] == 200
    assert server.popen.poll() is None


def test_half_closed_clients_get_their_answer(server):
    wire = Wire(server, get("/api/v1/status"))
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.answer()[0] == 200
    assert wire.ends()


def test_more_connections_than_there_is_room_for(server):
    """Idle connections make way for new ones."""
    wires = [Wire(server) for _ in range(2100)]
    assert Wire(server, get()).answer()[0] == 200
    assert wires[-1].send(get()).answer()[0] == 200
    assert wires[0].ends()


def test_stopping_finishes_what_is_under_way(start_server):
    server = start_server()
    client = server.client()
    client.sign_up()
    key = client.make_key()
    body = otlp.profiles({"main": 1})
    head = post("/v1development/profiles", len(body), f"Authorization: Bearer {key}\r\n", "application/x-protobuf")
    busy, idle = Wire(server, head).send(body[:10]), Wire(server, get())
    idle.answer()
    server.send(signal.SIGTERM)
    assert idle.ends()
    busy.send(body[10:])
    status, headers, _ = busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert server.wait() == 0
    start_server(like=server)
    assert client.get("/api/v1/services").json()["services"][0]["name"] == "shop"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(start_server, number):
    assert start_server().stop(number) == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )
    return cert, key


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls(start_server, certificate):
    cert, key = certificate
    server = start_server("--tls-cert", cert, "--tls-key", key)
    assert server.url.startswith("https://")
    client = Client(server.url)
    client.verify, client.trust_env = str(cert), False
    r = client.post("/api/v1/accounts", json={"email": "a@b", "password": PASSWORD})
    assert r.status_code == 201 and "; Secure" in r.headers["Set-Cookie"]
    otlp.profiles_answer(otlp.send(client, client.make_key(), otlp.profiles({"main": 1}), encoding="zstd"))
    assert client.post("/api/v1/session", data=b"x" * 100_000).status_code == 413
    assert len(client.get("/download/glim-linux-x86_64").content) == os.path.getsize(server.glim)
    assert f"url='{server.url}'" in client.get("/install.sh").text
    assert Wire(server, get()).ends()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", server.port)) as sock, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(sock)
    assert server.stop() == 0


def test_bad_starts(glim, run, tmp_path, server):
    data = str(tmp_path / "other")
    (tmp_path / "something").touch()
    for options, word in (
        (["--listen", "nonsense"], "ADDRESS:PORT"),
        (["--listen", "127.0.0.1:99999"], "ADDRESS:PORT"),
        (["--listen", "host.example:80"], "IP address"),
        (["--listen", f"127.0.0.1:{server.port}"], "in use"),
        (["--public-url", "ftp://x"], "http"),
        (["--public-url", "http://x/'$(id)'"], "characters"),
        (["--tls-cert", "/nothing"], "both"),
        (["--tls-cert", "/nothing", "--tls-key", "/nothing"], "/nothing"),
        (["--signup", "maybe"], "signup"),
        (["--workers", "0"], "workers"),
        (["--user", "no-such-user"], "no-such-user"),
        (["--user", "root"], "root"),
        (["--user", "nobody", "--data", str(tmp_path)], "not a folder"),
        (["--data", "/proc/nothing/here"], "/proc/nothing"),
    ):
        options = options if "--listen" in options else ["--listen", "127.0.0.1:0", *options]
        process = run([glim, "server", "--data", data, *options])
        assert process.wait() == 1, options
        assert word in process.lines[-1], (options, process.output)
        assert "glim server: " in process.lines[-1]
    for options in (["--nonsense"], ["extra"]):
        assert run([glim, "server", *options]).wait() == 2


def test_settings_from_the_environment_and_a_file(start_server, tmp_path):
    conf = tmp_path / "server.conf"
    conf.write_text("# who may come\nsignup = open\npublic-url = https://file.example\n")
    server = start_server("--config", conf, env={"GLIM_PUBLIC_URL": "https://env.example"})
    status = Client(server.url).get("/api/v1/status").json()
    assert status["signup"] == "first" and status["token_required"]
    assert server.wait_line(r"(https://env\.example/#token=)")


def test_another_user(start_server, tmp_path):
    """Started as root, it becomes somebody else, who owns the data, also that of an earlier start."""
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents[:2]:
        os.chmod(parent, 0o755)
    first = start_server()
    first.client().sign_up("first@example.com")
    first.stop()
    server = start_server("--user", "nobody", data=first.data)
    status = open(f"/proc/{server.pid}/status").read()
    uid = re.search(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)", status, re.M).groups()
    assert uid == ("65534",) * 3
    assert re.search(r"^Groups:\s*$", status, re.M)
    assert server.client().sign_in("first@example.com").status_code == 200
    assert os.stat(server.data).st_uid == 65534 and os.stat(server.data).st_mode & 0o777 == 0o700
