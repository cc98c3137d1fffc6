"""Profilers, each with one function: what it saw of a case, as folded stacks.

glim records the whole machine over as many cases as one likes; the others watch one case a run."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import cases

ROOT = Path(__file__).resolve().parents[2]
GLIM = Path(os.environ.get("GLIM", ROOT / "build" / "glim"))
OTEL_SECONDS = 2  # between its reports
# No divisor of anything that the programs do.
HZ = 997


def glim_rate(hz=HZ):
    """Samples a second of glim record -F hz: they keep no step with the scheduler (docs/decisions/sample-weight.md)."""
    return hz * 128 / 127


def suffix():
    """So that two runs on one machine do not see each other's processes."""
    return "-%03x" % (os.getpid() % 4096)


class Glim:
    """glim record over the cases that run while it does: with Glim(folder) as g: g.run(...); g.folded"""

    def __init__(self, folder, hz=HZ, glim=GLIM):
        self.out = Path(folder) / "glim.folded"
        self.argv = [str(glim), "record", "-a", "-F", str(hz), "-o", str(self.out)]
        self.folded = None

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = ""
        for line in self.process.stderr:
            said += line
            if "Ctrl-C ends" in line:
                return self
        raise RuntimeError("glim record did not start: " + said)

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=120)[1]
        if self.process.returncode and not any(error):
            raise RuntimeError("glim record failed: " + said)
        if self.out.exists():
            self.folded = self.out.read_text(errors="replace")
        self.summary = said.strip()


# --- OpenTelemetry -----------------------------------------------------------------------------


class Otel:
    """The OpenTelemetry eBPF profiler, like Glim above; python: has grpc and the definitions of OTLP.

    It names no functions of programs; score_run does it by the programs' symbols."""

    def __init__(self, folder, program, python, hz=HZ):
        self.out = Path(folder) / "otel.folded"
        self.log = Path(folder) / "otel.log"
        self.program, self.python, self.hz = program, python, hz
        self.folded = None

    def __enter__(self):
        self.receiver = subprocess.Popen([self.python, ROOT / "bench" / "otlp_receiver.py", self.out],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        port = int(self.receiver.stdout.readline())
        argv = [self.program, "-collection-agent", "127.0.0.1:%d" % port, "-disable-tls", "-send-error-frames",
                "-samples-per-second", str(self.hz), "-reporter-interval", "%ds" % OTEL_SECONDS]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        while "Attached sched monitor" not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.receiver.kill()
                raise RuntimeError("%s did not start: %s" % (self.program, self.log.read_text()[-2000:]))
            time.sleep(0.1)
        time.sleep(5)  # it looks at the processes that there are, and samples little meanwhile
        return self

    def __exit__(self, *error):
        time.sleep(3 * OTEL_SECONDS)  # what it still holds is on the way
        for process in (self.process, self.receiver):
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        self.folded = self.out.read_text(errors="replace")


# --- perf ---------------------------------------------------------------------------------------


def perf_refuses():
    """Why perf cannot be used here; None: it can."""
    try:
        done = subprocess.run(["perf", "record", "-e", "cpu-clock", "--call-graph", "dwarf", "-o", "/dev/null", "true"],
                              capture_output=True, text=True)
    except FileNotFoundError:
        return "perf is not there (Debian: linux-perf)"
    return None if done.returncode == 0 else done.stderr.strip()


def perf_run(case, program, cpu_ms, hz=HZ, size=16384):
    """(Run, folded stacks) of a case under perf record --call-graph dwarf; size: bytes of stack a sample."""
    with tempfile.TemporaryDirectory(prefix="glim-perf-") as folder:
        data = os.path.join(folder, "perf.data")
        wrap = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(hz), "--call-graph", "dwarf,%d" % size,
                "-o", data]
        run = cases.run(case, program, cpu_ms, wrap)
        script = subprocess.run(["perf", "script", "-i", data, "--max-stack", "1200", "-F", "comm,ip,sym,dso"],
                                capture_output=True, text=True, errors="replace", timeout=600)
    if script.returncode:
        raise RuntimeError("perf script: " + script.stderr[-500:])
    run.cpu_seconds = None  # perf's own time is in it
    return run, fold_perf(script.stdout)


FRAME = re.compile(r"^\s+([0-9a-f]+) (.*?) \((/.*|\[[^()]*\]|inlined)\)$")


def fold_perf(text):
    """perf script's text as folded stacks."""
    folded = Counter()
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if not lines[0]:
            continue
        comm, frames = lines[0].strip(), []
        for line in lines[1:]:
            found = FRAME.match(line)
            if not found:
                continue
            ip, name, dso = found.groups()
            kernel = int(ip, 16) >= 1 << 63 or dso.startswith("[kernel") or dso.startswith("[guest")
            frames.append(re.sub(r"\+0x[0-9a-f]+$", "", name).replace(";", ":") + ("_[k]" if kernel else ""))
        folded[";".join([comm] + frames[::-1])] += 1
    return "\n".join("%s %d" % item for item in folded.items())
