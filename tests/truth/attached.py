"""Profilers that watch one process, by its pid, from outside: glim record -p, py-spy, Austin.

Each is a function that gives the command, and one that reads what it wrote as samples of
python_score.py. The process is in its warm-up while the profiler attaches."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import python_score
import recorders

VENV = recorders.ROOT / "build-venv-python" / "bin"
WARM_MS = 800  # time enough to attach
SPARE_S = 600  # more than any program lives: profilers end with their process


def glim(pid, hz, out, children, seconds):
    options = ["--subprocesses"] if children else []
    return [recorders.GLIM, "record", "-p", pid, "-F", hz, "-d", seconds, "-o", out, "-f", "folded", *options]


def glim_native(pid, hz, out, children, seconds):
    """Without the kernel's programs: each sample stops a thread."""
    prefix = [shutil.which("setpriv"), "--bounding-set=-all,+sys_ptrace,+dac_read_search"] if not os.geteuid() else []
    return [*prefix, *glim(pid, hz, out, children, seconds), "--native"]


def py_spy(pid, hz, out, children, seconds, *options):
    options = (*options, "-s") if children else options
    return [VENV / "py-spy", "record", "-p", pid, "-r", hz, "-d", seconds, "-o", out, "-f", "raw", *options]


def py_spy_nonblocking(pid, hz, out, children, seconds):
    return py_spy(pid, hz, out, children, seconds, "--nonblocking")


def austin(pid, hz, out, children, seconds):
    options = ["-C"] if children else []
    return [VENV / "austin", "-c", "-i", int(1e6 / hz), "-x", seconds, "-p", pid, "-o", out, *options]


def folded(data):
    return python_score.read_folded(data.decode(errors="replace"))


# --- Austin's binary format ---------------------------------------------------------------------


class Mojo:
    """Reads MOJO, version 3, as Austin 4.0 writes it (the event numbers are from its documentation)."""

    METADATA, STACK, FRAME, INVALID, REFERENCE, KERNEL, GC, IDLE, TIME, MEMORY, STRING, STRING_REFERENCE = range(1, 13)

    def __init__(self, data):
        self.data, self.at = data, 4
        if data[:3] != b"MOJ":
            raise ValueError("not MOJO")

    def number(self):
        byte = self.data[self.at]
        self.at += 1
        value, shift = byte & 63, 6
        while byte & 128:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
        return value

    def text(self):
        end = self.data.index(0, self.at)
        value = self.data[self.at:end].decode(errors="replace")
        self.at = end + 1
        return value

    def frame(self, strings):
        key, file, scope, line = (self.number() for _ in range(4))
        for _ in range(3):  # last line, columns
            self.number()
        return key, python_score.Frame(strings.get(scope, "?"), strings.get(file, "?"), line)

    def samples(self):
        """[(frames root first, 1)]; an invalid frame is a mark."""
        strings, frames, stack, found = {1: "<unknown>"}, {}, None, []
        try:
            while self.at < len(self.data):
                event = self.data[self.at]
                self.at += 1
                if event == self.METADATA:
                    self.text(), self.text()
                elif event == self.STACK:
                    if stack:
                        found.append((stack, 1))
                    self.number(), self.number(), self.text()
                    stack = []
                elif event == self.FRAME:
                    key, frame = self.frame(strings)
                    frames[key] = frame
                elif event == self.REFERENCE:
                    key = self.number()
                    stack.append(frames.get(key, "unknown frame"))
                elif event == self.INVALID:
                    stack.append("invalid")
                elif event == self.STRING:
                    key = self.number()
                    strings[key] = self.text()
                elif event in (self.TIME, self.MEMORY, self.STRING_REFERENCE):
                    self.number()
                elif event == self.KERNEL:
                    self.text()
                elif event not in (self.GC, self.IDLE):
                    raise ValueError("event %d of MOJO is unknown" % event)
        except (IndexError, ValueError):
            if self.at < len(self.data) - 64:
                raise
        return found + ([(stack, 1)] if stack else [])


def mojo(data):
    return Mojo(data).samples()


# --- all of them --------------------------------------------------------------------------------


def log_of(out):
    return Path(str(out) + ".log")


def glim_taken(profiler, out):
    """What it says itself: folded, those that came late stand for the time of those that did not."""
    said = re.search(r"^glim record: ([\d,]+) samples in ", log_of(out).read_text(errors="replace"), re.M)
    return int(said[1].replace(",", "")) if said else 0


def written(profiler, out):
    return sum(n for _, n in profiler.samples(out))


@dataclass
class Profiler:
    name: str
    command: Callable  # (pid, hz, out, children, seconds) -> argv
    read: Callable  # bytes -> samples
    qualified: bool = False  # says qualified names, where the version has them
    count: Callable = written  # (profiler, out) -> how many samples it took

    def start(self, pid, hz, out, children=False, seconds=SPARE_S):
        Path(out).unlink(missing_ok=True)
        argv = [str(a) for a in self.command(pid, hz, out, children, seconds)]
        with open(log_of(out), "wb") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def samples(self, out):
        out = Path(out)
        return self.read(out.read_bytes()) if out.exists() else []

    def taken(self, out):
        return self.count(self, out)


PROFILERS = [
    Profiler("glim", glim, folded, True, glim_taken),
    Profiler("glim native", glim_native, folded, True, glim_taken),
    Profiler("py-spy", py_spy, folded),
    Profiler("py-spy nonblocking", py_spy_nonblocking, folded),
    Profiler("austin", austin, mojo),
]
BY_NAME = {profiler.name: profiler for profiler in PROFILERS}


def why_not(profiler):
    """Why it cannot be used here; None: it can."""
    program = profiler.command(1, 100, "/dev/null", False, 1)[0]
    if not os.path.exists(program):
        return "%s is not there" % program
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as e:
        return str(e)
    if profiler.name == "glim":
        usage = subprocess.run([program, "record", "--help"], capture_output=True, text=True).stdout
        return None if "--pid" in usage else "glim record has no -p"
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def end(process, timeout=60):
    """It ends by itself when its process has; or is asked to."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def run(program, profiler, hz, cpu_ms, out):
    """(Run, samples) of one run of a pythons.Program under the profiler."""
    child = program.start(cpu_ms, WARM_MS)
    deadline = time.monotonic() + 120
    while not program.is_ready() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    watcher = profiler.start(child.pid, hz, out, program.case.processes > 1)
    try:
        program.wait(child)
    finally:
        end(watcher)
    return program.result(None), profiler.samples(out)
