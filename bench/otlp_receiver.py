"""Takes OTLP profiles over gRPC and counts their samples; the other end for a profiler that is
measured beside ours. Prints {"samples": N, "requests": N} at SIGTERM. With a file as argument it also
writes the stacks there, folded: thread;frame;...;leaf COUNT."""
import json
import signal
import sys
import threading
from collections import Counter
from concurrent import futures

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as service

EXPORT = "Export"
SERVICE = "opentelemetry.proto.collector.profiles.v1development.ProfilesService"
counts = {"samples": 0, "requests": 0, "bytes": 0}
stacks = Counter()


class Names:
    """Frames of one request as text: a name, or file+0xADDRESS."""

    def __init__(self, dictionary):
        self.d = dictionary
        self.known = {}

    def attributes(self, indices):
        table = (self.d.attribute_table[i] for i in indices)
        return {self.d.string_table[a.key_strindex]: a.value.string_value for a in table}

    def frame(self, index):
        if index not in self.known:
            self.known[index] = self._frame(self.d.location_table[index]).replace(";", ":")
        return self.known[index]

    def _frame(self, location):
        kind = self.attributes(location.attribute_indices).get("profile.frame.type", "")
        mapping = self.d.string_table[self.d.mapping_table[location.mapping_index].filename_strindex]
        text = "%s+0x%x" % (mapping.rpartition("/")[2] or "unknown", location.address)
        if location.lines:
            text = self.d.string_table[self.d.function_table[location.lines[0].function_index].name_strindex]
        if "abort" in kind or "error" in kind:
            return "[cut: %s]" % text
        return text + ("_[k]" if kind == "kernel" else "")

    def stack(self, sample):
        frames = [self.frame(i) for i in self.d.stack_table[sample.stack_index].location_indices]
        thread = self.attributes(sample.attribute_indices).get("thread.name", "unknown")
        return ";".join([thread, *reversed(frames)])


def export(body, _context):
    request = service.ExportProfilesServiceRequest.FromString(body)
    counts["requests"] += 1
    counts["bytes"] += len(body)
    names = Names(request.dictionary)
    for resource in request.resource_profiles:
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                for sample in profile.samples:
                    n = len(sample.timestamps_unix_nano) or sum(sample.values) or 1
                    counts["samples"] += n
                    if len(sys.argv) > 1:
                        stacks[names.stack(sample)] += n
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
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w") as f:
            f.writelines("%s %d\n" % item for item in stacks.items())
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    sys.exit(main())
