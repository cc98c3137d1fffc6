"""Takes OTLP profiles over gRPC and counts their samples; the other end for a profiler that is
measured beside ours. Prints {"samples": N, "requests": N} at SIGTERM."""
import json
import signal
import sys
import threading
from concurrent import futures

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as service

EXPORT = "Export"
SERVICE = "opentelemetry.proto.collector.profiles.v1development.ProfilesService"
counts = {"samples": 0, "requests": 0, "bytes": 0}


def export(body, _context):
    request = service.ExportProfilesServiceRequest.FromString(body)
    counts["requests"] += 1
    counts["bytes"] += len(body)
    for resource in request.resource_profiles:
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                for sample in profile.samples:
                    counts["samples"] += len(sample.timestamps_unix_nano) or sum(sample.values) or 1
    return service.ExportProfilesServiceResponse()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 1 << 28)])
    handler = grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=None, response_serializer=lambda r: r.SerializeToString())
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {EXPORT: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    done.wait()
    server.stop(2).wait()
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    sys.exit(main())
