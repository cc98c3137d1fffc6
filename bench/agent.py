#!/usr/bin/env python3
"""What the agent costs: a load of many processes, a server, the agent, and its price.

Then what a sample costs in the kernel: every CPU is busy with one C program that stands so many frames
deep, sampled at 499 Hz.

With GLIM_BENCH_OTEL=PROGRAM the OpenTelemetry eBPF profiler is measured in the same run, under the
same load, for the same time, sending to a receiver on this machine."""
import argparse
import contextlib
import http.cookiejar
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import measure

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
GLIM = os.environ.get("GLIM", os.path.join(ROOT, "build", "glim"))
MIB = 1 << 20
DEPTHS = [10, 30, 110]  # calls
DEEP_HZ, DEEP_WARM_UP_S, DEEP_S = 499, 4, 4


def start(argv, **kwargs):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, **kwargs)


def end(process, timeout=20):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def build_load(folder):
    c = os.path.join(folder, "load")
    subprocess.run(["cc", "-O2", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-o", c,
                    os.path.join(HERE, "load", "load.c")], check=True)
    return c


@contextlib.contextmanager
def load(count, folder):
    """count processes: 4 busy, 40 light, one that starts others, the rest idle; half Python, half C."""
    c = build_load(folder)
    kinds = ["busy"] * 4 + ["light"] * 40
    kinds += ["idle"] * max(0, count - 1 - len(kinds))
    processes = [start([os.path.join(HERE, "load", "churn.sh")])]
    try:
        for i, kind in enumerate(kinds[:count - 1]):
            program = [c] if i % 2 else [sys.executable, os.path.join(HERE, "load", "load.py")]
            processes.append(start(program + [kind]))
        yield len(processes)
    finally:
        for p in processes:
            p.kill()
        for p in processes:
            p.wait()


class Server:
    """A server on a port of its choice, with an owner signed in and an ingest key in a file."""

    def __init__(self, folder):
        self.log = open(os.path.join(folder, "server.log"), "w+b")
        self.process = start([GLIM, "server", "--listen", "127.0.0.1:0", "--data", os.path.join(folder, "data")],
                             stdout=self.log, stderr=subprocess.STDOUT)
        self.url = self.wait_address()
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.call("/api/v1/accounts", {"email": "bench@example.com", "password": os.urandom(16).hex()})
        self.key_file = os.path.join(folder, "key")
        with open(os.open(self.key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            f.write(self.call("/api/v1/keys", {"name": "bench", "scope": "ingest"})["key"])

    def wait_address(self):
        while self.process.poll() is None:
            with open(self.log.name, errors="replace") as f:
                found = re.search(r"(http://\S+:\d+)/", f.read())
            if found:
                return found.group(1)
            time.sleep(0.05)
        sys.exit("the server ended: " + open(self.log.name, errors="replace").read())

    def call(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {
            "Content-Type": "application/json", "Origin": self.url})
        with self.opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def outcomes(self, service, since, until):
        query = urllib.parse.urlencode({"service": service, "metric": "samples", "from": since, "until": until,
                                        "step": 10, "by": "outcome"})
        series = self.call("/api/v1/series?" + query)["series"]
        return {s["labels"]["outcome"]: sum(v or 0 for v in s["values"]) for s in series}


def let_run(process, log, seconds):
    """Pass the time; end here when the process ends meanwhile."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        with open(log, errors="replace") as f:
            sys.exit("ended too early: " + f.read())


def price(process, log, warm_up, seconds):
    """Measure it once it samples and runs evenly."""
    deadline = time.monotonic() + 300
    while not measure.samples(process.pid):
        if time.monotonic() > deadline:
            sys.exit("took no sample in 300 s; its log: " + open(log, errors="replace").read())
        let_run(process, log, 0.5)
    let_run(process, log, warm_up)
    before = measure.snapshot(process.pid)
    let_run(process, log, seconds)
    return measure.cost(before, measure.snapshot(process.pid))


def measure_glim(options, folder):
    server = Server(folder)
    log = os.path.join(folder, "agent.log")
    began = time.time()
    with open(log, "wb") as out:
        agent = start([GLIM, "agent", "--server", server.url, "--service", "bench", "--key-file", server.key_file,
                       "-F", str(options.hz)], stdout=out, stderr=subprocess.STDOUT)
    try:
        row = price(agent, log, options.warm_up, options.seconds)
        end(agent)
        outcomes = server.outcomes("bench", began - 10, time.time() + 10)
    finally:
        end(agent)
        end(server.process)
    row["samples"] = int(sum(outcomes.values()))
    row["complete"] = outcomes.get("complete", 0) / row["samples"] if row["samples"] else None
    row["outcomes"] = outcomes
    return row


@contextlib.contextmanager
def otel_profiler(program, hz, folder):
    """(the profiler, its log, the receiver that it sends to)"""
    python = os.path.join(ROOT, "build-venv-bench", "bin", "python")
    receiver = start([python, os.path.join(HERE, "otlp_receiver.py")], stdout=subprocess.PIPE, text=True)
    port = int(receiver.stdout.readline())
    log = os.path.join(folder, "otel.log")
    with open(log, "wb") as out:
        profiler = start([program, "-collection-agent", "127.0.0.1:%d" % port, "-disable-tls",
                          "-samples-per-second", str(hz)], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield profiler, log, receiver
    finally:
        end(profiler)
        end(receiver)


def measure_otel(program, options, folder):
    with otel_profiler(program, options.hz, folder) as (profiler, log, receiver):
        row = price(profiler, log, options.warm_up, options.seconds)
    counts = json.loads(receiver.stdout.read().strip() or "{}")
    row["samples"] = counts.get("samples", 0)
    row["complete"] = None
    return row


@contextlib.contextmanager
def glim_recorder(folder):
    log = os.path.join(folder, "record.log")
    with open(log, "wb") as out:
        recorder = start([GLIM, "record", "-a", "-F", str(DEEP_HZ), "-o", os.path.join(folder, "deep.folded")],
                         stdout=out, stderr=subprocess.STDOUT)
    try:
        yield recorder, log
    finally:
        end(recorder)


def sample_ns(profiler, log):
    return price(profiler, log, DEEP_WARM_UP_S, DEEP_S)["bpf_ns_a_run"]


def deep_costs(otel, folder):
    """{profiler: {depth: BPF ns a sample}}"""
    costs = {"glim": {}, **({"opentelemetry": {}} if otel else {})}
    c = build_load(folder)
    for depth in DEPTHS:
        programs = [start([c, "deep", str(depth)]) for _ in range(os.cpu_count())]
        try:
            with glim_recorder(folder) as (recorder, log):
                costs["glim"][depth] = sample_ns(recorder, log)
            if otel:
                with otel_profiler(otel, DEEP_HZ, folder) as (profiler, log, _):
                    costs["opentelemetry"][depth] = sample_ns(profiler, log)
        finally:
            for p in programs:
                p.kill()
                p.wait()
    return costs


def deep_table(costs):
    names = list(costs)
    lines = ["%-30s" % "" + "".join("%16s" % n for n in names)]
    for depth in DEPTHS:
        lines.append("%-30s" % ("BPF, ns a sample, %d calls" % depth) +
                     "".join("%16.0f" % costs[n][depth] for n in names))
    first, last = DEPTHS[0], DEPTHS[-1]
    lines.append("%-30s" % "BPF, ns a frame" + "".join(
        "%16.0f" % ((costs[n][last] - costs[n][first]) / (last - first)) for n in names))
    return "\n".join(lines)


ROWS = [
    ("CPU, seconds an hour", "cpu_seconds_an_hour", 1, "%.1f"),
    ("CPU, % of one core", "cpu_percent_of_a_core", 1, "%.2f"),
    ("CPU of the start, seconds", "start_cpu_seconds", 1, "%.2f"),
    ("RSS, MiB", "rss_bytes", MIB, "%.1f"),
    ("RSS at its peak, MiB", "rss_peak_bytes", MIB, "%.1f"),
    ("BPF maps, MiB", "map_bytes", MIB, "%.1f"),
    ("BPF, ns a run of the sampler", "bpf_ns_a_run", 1, "%.0f"),
    ("BPF, % of one core", "bpf_percent_of_a_core", 1, "%.3f"),
    ("runs of the sampler", "bpf_runs", 1, "%d"),
    ("samples received", "samples", 1, "%d"),
    ("complete stacks, %", "complete", 0.01, "%.1f"),
]


def table(results):
    names = list(results)
    lines = ["%-30s" % "" + "".join("%16s" % n for n in names)]
    for title, key, unit, form in ROWS:
        cells = ["-" if results[n].get(key) is None else form % (results[n][key] / unit) for n in names]
        lines.append("%-30s" % title + "".join("%16s" % c for c in cells))
    for name in names:
        cut = {k: v for k, v in results[name].get("outcomes", {}).items() if k != "complete"}
        for reason, n in sorted(cut.items(), key=lambda item: -item[1]):
            lines.append("%s: %d samples %s" % (name, n, reason))
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(prog="./dev bench agent", description=__doc__)
    p.add_argument("--seconds", type=int, default=60, help="how long to measure each profiler (60)")
    p.add_argument("--warm-up", type=int, default=20, help="seconds between the first sample and that (20)")
    p.add_argument("--processes", type=int, default=200, help="how many processes run (200)")
    p.add_argument("--hz", type=int, default=20, help="samples a second and CPU (20)")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = p.parse_args()
    if os.geteuid() != 0:
        sys.exit("the agent needs root: sudo ./dev bench agent")
    otel = os.environ.get("GLIM_BENCH_OTEL")
    if otel and not shutil.which(otel):
        sys.exit("GLIM_BENCH_OTEL: no such program: " + otel)

    # What was started is ended, also when this is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    results = {}
    with tempfile.TemporaryDirectory(prefix="glim-bench-") as folder, \
            load(options.processes, folder) as count, measure.BpfStats():
        time.sleep(2)  # the load has started and runs evenly
        results["glim"] = measure_glim(options, folder)
        if otel:
            results["opentelemetry"] = measure_otel(otel, options, folder)
    with tempfile.TemporaryDirectory(prefix="glim-bench-") as folder, measure.BpfStats():
        deep = deep_costs(otel, folder)
    about = {"kernel": platform.release(), "cpus": os.cpu_count(), "processes": count, "hz": options.hz,
             "seconds": options.seconds}
    if options.json:
        print(json.dumps({"about": about, "results": results, "ns_a_sample": deep}, indent="\t"))
    else:
        print("%(processes)d processes, %(hz)d Hz, %(cpus)d CPUs, Linux %(kernel)s, %(seconds)d s each\n" % about)
        print(table(results))
        print("\nevery CPU busy with one C program, %d Hz\n" % DEEP_HZ)
        print(deep_table(deep))


if __name__ == "__main__":
    main()
