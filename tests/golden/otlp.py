"""Makes otlp-1.9.pb and otlp-1.10.pb: the same profiles in the two layouts of OTLP.

Run it once with the official definitions of each:
    pip install opentelemetry-proto==1.40.0   # generated from opentelemetry-proto 1.9.0
    pip install opentelemetry-proto==1.45.2   # generated from opentelemetry-proto 1.10.0
    python3 tests/golden/otlp.py
"""

from pathlib import Path

from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.profiles.v1development import profiles_pb2

NEW = profiles_pb2.Sample.VALUES_FIELD_NUMBER == 4


def main():
    request = profiles_service_pb2.ExportProfilesServiceRequest()
    d = request.dictionary
    d.string_table.extend(
        ["", "samples", "count", "cpu", "nanoseconds", "main", "inner", "outer", "/srv/app.py",
         "/usr/lib/libc.so.6", "thread.name", "process.executable.name", "profile.frame.type", "kernel_read",
         "off_cpu", "process.executable.build_id.gnu"]
    )
    s = {text: i for i, text in enumerate(d.string_table)}
    d.mapping_table.add()
    d.location_table.add()
    d.function_table.add()
    d.link_table.add()
    d.attribute_table.add()
    d.stack_table.add()
    d.link_table.add(trace_id=b"t" * 16, span_id=b"s" * 8)

    def attribute(key, value):
        d.attribute_table.add(key_strindex=s[key]).value.string_value = value
        return len(d.attribute_table) - 1

    thread, process = attribute("thread.name", "worker"), attribute("process.executable.name", "app")
    python, kernel = attribute("profile.frame.type", "cpython"), attribute("profile.frame.type", "kernel")
    build_id = attribute("process.executable.build_id.gnu", "abcd")
    d.mapping_table.add(memory_start=4096, memory_limit=8192, filename_strindex=s["/usr/lib/libc.so.6"])
    d.mapping_table.add(attribute_indices=[build_id])
    d.function_table.add(name_strindex=s["main"], filename_strindex=s["/srv/app.py"], start_line=1)
    d.function_table.add(name_strindex=s["inner"])
    d.function_table.add(name_strindex=s["outer"])
    d.function_table.add(name_strindex=s["kernel_read"])
    d.location_table.add(attribute_indices=[python]).lines.add(function_index=1, line=7)
    inlined = d.location_table.add(mapping_index=1, address=0x99)
    inlined.lines.add(function_index=2)
    inlined.lines.add(function_index=3)
    d.location_table.add(mapping_index=1, address=0x1234)
    d.location_table.add(attribute_indices=[kernel]).lines.add(function_index=4)
    d.location_table.add(mapping_index=2, address=0x10)
    d.stack_table.add(location_indices=[3, 2, 1])
    d.stack_table.add(location_indices=[4, 3, 1])
    d.stack_table.add(location_indices=[5])

    resource = request.resource_profiles.add()
    for key, value in (("service.name", "shop"), ("host.name", "web-1")):
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_profiles.add()
    for kind, unit in (("samples", "count"), ("off_cpu", "nanoseconds")):
        p = scope.profiles.add(time_unix_nano=1700000000000000000, duration_nano=5000000000, profile_id=b"i" * 16)
        p.sample_type.type_strindex, p.sample_type.unit_strindex = s[kind], s[unit]
        if kind == "samples":
            p.period_type.type_strindex, p.period_type.unit_strindex = s["cpu"], s["nanoseconds"]
            p.period = 10000000
        times = [1700000000000000001, 1700000000000000002, 1700000000000000003]
        p.samples.add(stack_index=1, attribute_indices=[thread, process], timestamps_unix_nano=times,
                      **({} if kind == "samples" else {"values": [5, 6, 7]}))
        p.samples.add(stack_index=2, attribute_indices=[process], link_index=1, values=[40])
        p.samples.add(stack_index=3, attribute_indices=[process], values=[2])
    name = "otlp-1.10.pb" if NEW else "otlp-1.9.pb"
    (Path(__file__).parent / name).write_bytes(request.SerializeToString(deterministic=True))
    print(name)


main()
