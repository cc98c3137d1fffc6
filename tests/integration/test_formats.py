"""Our encoders and decoders against those of others: the official OTLP definitions, and Go's pprof.

They run through format_tool (tests/unit/format), from the build folder of the unit tests or from
the file that FORMAT_TOOL names.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

import otlp

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
PERIOD = 50_000_000
FOLDED = """\
nginx;[cut: no frame pointer];main 5
python3;main (app.py:3);handle (app.py:12);_PyEval_EvalFrameDefault;do_syscall_64_[k] 12
python3;main (app.py:3);handle (app.py:13);libc.so.6+0x12af 3
unknown 1
"""


@pytest.fixture(scope="session")
def convert():
    """convert(data, from, to, *options): bytes of one format as another."""
    tool = Path(os.environ.get("FORMAT_TOOL", ROOT / "build-asan/tests/unit/format/format_tool"))
    assert os.access(tool, os.X_OK), f"{tool} is missing: build it first"

    def run(data, *arguments):
        data = data.encode() if isinstance(data, str) else data
        done = subprocess.run([tool, *map(str, arguments)], input=data, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


@pytest.fixture(scope="session")
def go():
    path = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    assert path, "go is missing: go tool pprof judges what Glim writes"
    return path


def unknown_fields(message):
    """Names of all messages in which there is a field that the definitions do not know."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    found = [message.DESCRIPTOR.name] if len(UnknownFieldSet(message)) else []
    for field, value in message.ListFields():
        if field.message_type:
            for item in value if field.is_repeated else [value]:
                found += unknown_fields(item)
    return found


def attributes(request, indices):
    d = request.dictionary
    result = {}
    for i in indices:
        value = d.attribute_table[i].value
        result[d.string_table[d.attribute_table[i].key_strindex]] = getattr(
            value, value.WhichOneof("value")
        )
    return result


def stack_text(request, stack_index):
    """Frames root first as (name, file, line, kind, module, address)."""
    d = request.dictionary
    frames = []
    for i in d.stack_table[stack_index].location_indices:
        location = d.location_table[i]
        line = location.lines[0] if location.lines else None
        function = d.function_table[line.function_index] if line else d.function_table[0]
        frames.append(
            (
                d.string_table[function.name_strindex],
                d.string_table[function.filename_strindex],
                line.line if line else 0,
                attributes(request, location.attribute_indices).get("profile.frame.type"),
                d.string_table[d.mapping_table[location.mapping_index].filename_strindex],
                location.address,
            )
        )
    return frames[::-1]


def test_what_we_write_is_otlp(convert):
    body = convert(FOLDED, "folded", "otlp", PERIOD)
    request = profiles_service_pb2.ExportProfilesServiceRequest.FromString(body)
    assert unknown_fields(request) == []
    d = request.dictionary
    # Entry 0 of every table is its zero value, and strings are there once.
    for table in (d.mapping_table, d.location_table, d.function_table, d.link_table, d.attribute_table, d.stack_table):
        assert table[0].ByteSize() == 0
    assert d.string_table[0] == "" and len(set(d.string_table)) == len(d.string_table)
    [resource] = request.resource_profiles
    assert {a.key: a.value.string_value for a in resource.resource.attributes} == {
        "service.name": "shop", "host.name": "web-1", "host.id": "abc",
    }
    [scope] = resource.scope_profiles
    assert scope.scope.name == "glim"
    [profile] = scope.profiles
    assert d.string_table[profile.sample_type.type_strindex] == "cpu"
    assert d.string_table[profile.sample_type.unit_strindex] == "nanoseconds"
    assert d.string_table[profile.period_type.type_strindex] == "cpu"
    assert profile.period == PERIOD
    assert profile.time_unix_nano == 1_700_000_000_000_000_000
    assert profile.duration_nano == 10_000_000_000
    assert profile.profile_id == b"0123456789abcdef"
    samples = {
        tuple(stack_text(request, s.stack_index)): (list(s.values), attributes(request, s.attribute_indices))
        for s in profile.samples
    }
    python = {"process.executable.name": "python3"}
    main = ("main", "app.py", 3, "cpython", "", 0)
    assert samples == {
        (
            ("cut: no frame pointer", "", 0, "glim.mark", "", 0),
            ("main", "", 0, "native", "", 0),
        ): ([5 * PERIOD], {"process.executable.name": "nginx"}),
        (
            main,
            ("handle", "app.py", 12, "cpython", "", 0),
            ("_PyEval_EvalFrameDefault", "", 0, "native", "", 0),
            ("do_syscall_64", "", 0, "kernel", "", 0),
        ): ([12 * PERIOD], python),
        (
            main,
            ("handle", "app.py", 13, "cpython", "", 0),
            ("", "", 0, "native", "libc.so.6", 0x12AF),
        ): ([3 * PERIOD], python),
        (): ([PERIOD], {}),
    }


def test_otlp_comes_back(convert):
    body = convert(FOLDED, "folded", "otlp", PERIOD)
    first, _, text = convert(body, "otlp", "folded").decode().partition("\n")
    assert first == "# service=shop host=web-1 profiles=1 rejected=0 old=0 reason="
    assert text == FOLDED


def test_what_others_write_is_read(convert):
    stacks = {"main@app.py:3;handle@app.py:12;memcpy": 7, "idle": 2}
    text = convert(otlp.profiles(stacks), "otlp", "folded").decode()
    assert text == (
        "# service=shop host=web-1 profiles=1 rejected=0 old=0 reason=\n"
        "app;idle 2\n"
        "app;main (app.py:3);handle (app.py:12);memcpy 7\n"
    )


@pytest.mark.parametrize("name, old", [("otlp-1.10.pb", 0), ("otlp-1.9.pb", 1)])
def test_both_layouts(convert, name, old):
    """The same profiles in the official bytes of 1.9 and 1.10: see tests/golden/otlp.py."""
    text = convert((GOLDEN / name).read_bytes(), "otlp", "folded").decode()
    assert text == (
        f"# service=shop host=web-1 profiles=2 rejected=0 old={old} reason=\n"
        "# and offcpu: 5 samples, 60 nanoseconds\n"
        "app;abcd+0x10 2\n"
        "app;main (app.py:7);libc.so.6+0x1234;kernel_read_[k] 40\n"
        "app;main (app.py:7);outer;inner;libc.so.6+0x1234 3\n"
    )


def test_unknown_types_are_rejected_with_a_reason(convert):
    request = profiles_service_pb2.ExportProfilesServiceRequest.FromString(otlp.profiles({"f": 1}))
    request.dictionary.string_table.append("goroutine")
    [profile] = request.resource_profiles[0].scope_profiles[0].profiles
    profile.sample_type.type_strindex = len(request.dictionary.string_table) - 1
    profile.period_type.type_strindex = 0
    text = convert(request.SerializeToString(), "otlp", "folded").decode()
    assert "rejected=1" in text
    assert 'reason=sample type "goroutine" is not known to Glim' in text


def test_metrics_we_write_are_otlp(convert):
    body = convert(b"", "metrics")
    request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
    assert unknown_fields(request) == []
    [resource] = request.resource_metrics
    [scope] = resource.scope_metrics
    got = {}
    for m in scope.metrics:
        data = m.sum if m.HasField("sum") else m.gauge
        [point] = data.data_points
        if m.HasField("sum"):
            assert m.sum.aggregation_temporality == 1 and m.sum.is_monotonic
            assert point.time_unix_nano - point.start_time_unix_nano == 10_000_000_000
        labels = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in point.attributes}
        got[m.name, m.unit, m.WhichOneof("data")] = (point.as_double, labels)
    process = {"process.executable.name": "nginx", "process.pid": 7}
    assert got == {
        ("system.cpu.time", "s", "sum"): (15, {"cpu.mode": "busy"}),
        ("system.cpu.logical.count", "{cpu}", "gauge"): (4, {}),
        ("system.memory.usage", "By", "gauge"): (1e9, {"system.memory.state": "used"}),
        ("system.memory.limit", "By", "gauge"): (2e9, {}),
        ("process.cpu.time", "s", "sum"): (5, process),
        ("process.memory.usage", "By", "gauge"): (1e6, process),
        ("glim.samples", "{sample}", "sum"): (30, {}),
        ("glim.remarks", "{sample}", "sum"): (4, {}),
        ("glim.lost", "{sample}", "sum"): (2, {}),
    }


def pprof(go, path, *arguments):
    done = subprocess.run(
        [go, "tool", "pprof", *arguments, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_go_reads_our_pprof(convert, go, tmp_path):
    path = tmp_path / "x.pb.gz"
    path.write_bytes(convert(FOLDED, "folded", "pprof", PERIOD))
    raw = pprof(go, path, "-raw")
    head, _, rest = raw.partition("Samples:\n")
    assert "PeriodType: cpu nanoseconds\n" in head
    assert f"Period: {PERIOD}\n" in head
    assert "Duration: 10s\n" in head
    samples, _, rest = rest.partition("Locations\n")
    lines = samples.splitlines()
    assert lines[0] == "samples/count cpu/nanoseconds[dflt]"
    assert sorted(line.split(":")[0].split() for line in lines if line.strip()[0].isdigit()) == sorted(
        [str(n), str(n * PERIOD)] for n in (12, 5, 3, 1)
    )
    assert lines.count("                process:[python3]") == 2
    for text in ("handle app.py:12:0", "[cut: no frame pointer]", "libc.so.6+0x12af", "[kernel.kallsyms]"):
        assert text in rest
    top = pprof(go, path, "-top", "-nodecount=20")
    assert "Total samples = 1050ms" in top
    assert not top.startswith("File:")  # no one program's profile
    assert [line.split() for line in top.splitlines() if line.endswith(" do_syscall_64")] == [
        ["600ms", "57.14%", "57.14%", "600ms", "57.14%", "do_syscall_64"]
    ]
    focused = pprof(go, path, "-top", "-tagfocus=process=python3", "-focus=libc")
    assert "150ms, 14.29% of 1050ms total" in focused


def test_pprof_comes_back(convert):
    assert convert(convert(FOLDED, "folded", "pprof", PERIOD), "pprof", "folded").decode() == FOLDED


GO_PROGRAM = """
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept [][]byte

//go:noinline
func keep(n int) {
	for i := 0; i < n; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

//go:noinline
func spin(until time.Time) (n uint64) {
	for time.Now().Before(until) {
		for i := uint64(0); i < 1000000; i++ {
			n += i * i
		}
	}
	return n
}

func main() {
	cpu, _ := os.Create(os.Args[1])
	pprof.StartCPUProfile(cpu)
	spin(time.Now().Add(time.Second))
	pprof.StopCPUProfile()
	cpu.Close()
	keep(64)
	runtime.GC()
	heap, _ := os.Create(os.Args[2])
	pprof.WriteHeapProfile(heap)
	heap.Close()
}
"""


def test_pprof_of_go_is_read(convert, go, tmp_path):
    (tmp_path / "main.go").write_text(GO_PROGRAM)
    cpu, heap = tmp_path / "cpu.pb.gz", tmp_path / "heap.pb.gz"
    env = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off"}
    subprocess.run([go, "run", str(tmp_path / "main.go"), cpu, heap], env=env, check=True, timeout=600)
    counts = {}
    for line in convert(cpu.read_bytes(), "pprof", "folded").decode().splitlines():
        stack, _, count = line.rpartition(" ")
        counts[stack] = int(count)
    spinning = sum(n for stack, n in counts.items() if "main.main;main.spin" in stack)
    assert sum(counts.values()) >= 20, counts  # 100 a second, on a busy machine too
    assert spinning > 0.8 * sum(counts.values()), counts
    # The heap profile has four columns: two profiles, of which the tool names the second.
    text = convert(heap.read_bytes(), "pprof", "folded").decode()
    assert text.startswith("# and inuse: "), text
    inuse = int(text.split()[5])
    assert 60 << 20 < inuse < 80 << 20
    assert "main.main;main.keep" in text
