"""The cases of Python, on every interpreter of this machine. What is right: python_score.py."""

import itertools
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cases

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = cases.PROGRAMS / "python"


@dataclass
class Case:
    name: str  # of the program's file, and the beginning of the process's name
    about: str
    since: tuple = (2, 7)  # the first version that can run it
    cpu_ms: int = 0  # instead of what the caller says
    copies: int = 1  # runs, one after the other
    processes: int = 1  # that one run is made of
    parallel: bool = False  # wants more than one CPU: shares seen from outside are those of the machine
    program: tuple = ()  # its file and arguments, where it is not that of this name
    modules: str = ""  # what it imports: ./dev unpacks it into build-venv-MODULES
    minors: tuple = ()  # the versions that it is unpacked for

    def runs_on(self, python):
        return python.version >= self.since and (not self.minors or python.version[:2] in self.minors)


CASES = [
    Case("recursion", "functions that call themselves and each other"),
    Case("generators", "generators that draw from each other"),
    Case("delegation", "yield from, nine deep", (3, 3)),
    Case("coroutines", "asyncio.gather", (3, 6)),
    Case("contention", "four threads that want the GIL", parallel=True),
    Case("released", "zlib without the GIL in two threads, and one thread with it", parallel=True),
    Case("callbacks", "called by sorted, re.sub, map, ctypes, comparisons, finalizers"),
    Case("comprehensions", "lists, sets, dicts and generator expressions"),
    Case("executed", "code compiled while the program runs"),
    Case("dying", "code objects that live for 2 ms"),
    Case("flutter", "two branches of calls of a microsecond"),
    Case("deep", "300 frames"),
    Case("short", "programs that live 0.3 s", cpu_ms=150, copies=6),
    Case("classes", "methods, properties, lambdas, closures, decorators, metaclasses"),
    Case("unicode", "names that are not ASCII", (3,)),
    Case("lines", "loops, calls over several lines, finally, with, far jumps"),
    Case("forking", "multiprocessing by fork", processes=3, parallel=True, program=("children", "fork")),
    Case("spawning", "multiprocessing by spawn", (3, 4), processes=3, parallel=True, program=("children", "spawn")),
]
# Of modules that not every version has.
MODULE_CASES = [
    Case("numpy", "numpy without the GIL in two threads, and one thread with it", parallel=True,
         program=("released", "numpy"), modules="numpy", minors=((3, 8), (3, 13))),
    Case("greenlets", "greenlets that take turns", modules="greenlet", minors=((3, 8), (3, 11), (3, 13))),
    Case("gevents", "the same of gevent", program=("greenlets", "gevent"), modules="greenlet", minors=((3, 9), (3, 12))),
]
BY_NAME = {case.name: case for case in CASES + MODULE_CASES}


@dataclass
class Interpreter:
    name: str
    path: Path
    version: tuple


def version_of(path):
    """(3, 11, 7) of the interpreter; None: it does not run."""
    ask = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run([str(path), "-c", ask], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return tuple(map(int, done.stdout.split("."))) if not done.returncode else None


def interpreters(more=()):
    """Those of pyenv, each version, the system's own, and more; or what GLIM_PYTHONS lists, with ":" between."""
    listed = os.environ.get("GLIM_PYTHONS")
    paths = [Path(p) for p in listed.split(":")] if listed else \
        [*Path.home().glob(".pyenv/versions/[23].*/bin/python"), Path("/usr/bin/python3"), *more]
    found = []
    for path in paths:
        version = version_of(path) if path.exists() else None
        if version:
            system = "-system" if path.parent == Path("/usr/bin") else ""
            found.append(Interpreter(".".join(map(str, version)) + system, path, version))
    return sorted(found, key=lambda i: (i.version, i.name))


def pairs(chosen, pythons):
    """(case, interpreter) of all that can run."""
    return [(case, python) for python in pythons for case in chosen if case.runs_on(python)]


def rotation(chosen, pythons, times=2):
    """Few of them: every interpreter runs that many cases, every case runs on that many interpreters, or
    as near to that as the numbers allow."""
    picked = []
    for _ in range(max(times, -(-times * len(chosen) // max(1, len(pythons))))):
        for at, python in enumerate(pythons):
            fit = [case for case in chosen if case.runs_on(python)]
            fit = [case for case in fit if (case, python) not in picked]
            if fit:
                runs = [sum(c is case for c, _ in picked) for case in fit]
                picked.append((fit[min(range(len(fit)), key=lambda i: (runs[i], (i + at) % len(fit)))], python))
    return picked


# --- running ------------------------------------------------------------------------------------

numbers = itertools.count()


@dataclass
class Run:
    """What one run of a case left."""

    case: Case
    python: Interpreter
    process: str  # the name of its processes
    truth: str
    cpu_seconds: float
    stolen: float

    @property
    def name(self):
        return "%s %s" % (self.python.name, self.case.name)


class Program:
    """A case on an interpreter, with a name of its own: the interpreter by another name."""

    def __init__(self, case, python, folder, suffix):
        self.case, self.python = case, python
        self.path = Path(folder) / ("%s%s%s" % (case.name[:5], suffix, next(numbers)))
        self.path.symlink_to(python.path.resolve())
        self.truth = Path(folder) / (self.path.name + ".truth")

    def modules(self):
        folder = ROOT / ("build-venv-" + self.case.modules) / ("%d.%d" % self.python.version[:2])
        assert folder.exists(), "./dev test integration unpacks it"
        return folder

    def start(self, cpu_ms, warm_ms):
        """A process that runs it."""
        env = {**os.environ, "TRUTH_CPU_MS": str(self.case.cpu_ms or cpu_ms), "TRUTH_WARM_MS": str(warm_ms),
               "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"):
            env.pop(name, None)
        if self.case.modules:
            env["PYTHONPATH"] = str(self.modules())
        file, *arguments = self.case.program or (self.case.name,)
        argv = [str(self.path), "-S", str(PROGRAMS / (file + ".py")), *arguments]
        with open(self.truth, "a") as out:
            return subprocess.Popen(argv, env=env, stdout=out, stdin=subprocess.DEVNULL)

    def wait(self, child):
        """Until it has ended: its CPU time, with that of its children."""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError("%s on %s ended with status %d" % (self.case.name, self.python.name, child.returncode))
        return usage.ru_utime + usage.ru_stime

    def is_ready(self):
        """It is past the start of its interpreter, in its warm-up."""
        return bool(re.search(r'"ready"', self.truth.read_text()))

    def result(self, cpu_seconds, stolen=0.0):
        return Run(self.case, self.python, self.path.name[:15], self.truth.read_text(), cpu_seconds, stolen)

    def run(self, cpu_ms, warm_ms=300):
        """Run it to its end, as often as the case says."""
        busy, stolen = cases.cpu_ticks()
        seconds = 0.0
        for _ in range(self.case.copies):
            seconds += self.wait(self.start(cpu_ms, warm_ms))
        busy, stolen = (after - before for after, before in zip(cases.cpu_ticks(), (busy, stolen)))
        return self.result(seconds, stolen / max(busy, 1))
