#!/usr/bin/env python3
"""What measuring the memory of a Python program costs: glim mem, memory_profiler, memray, Scalene, tracemalloc.

One program (load/memory.py) runs under each profiler and under none; the rounds take turns, figures are medians of CPU
time in the program. Figures:
  ns a line       added to a line that runs, of loops that do nothing else
  ns a block      added to a block of 600 bytes, allocated (malloc) and freed
  ns an object    the same of a small object (pymalloc)
  heavy x         CPU time of a program that allocates all the time, in times of that without a profiler
  compute x       the same of one that computes, in small functions
  written KiB     of the heavy program
  report s        from the end of the heavy program's work until its report is there (wall)"""
import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GLIM = os.environ.get("GLIM", str(ROOT / "build" / "glim"))
PYTHON = str(ROOT / "build-venv-memory" / "bin" / "python")
PROGRAM = str(HERE / "load" / "memory.py")
# How much of each is done under a profiler that is fast, and under one of the slow ones.
WORK = {"lines": (200000, 2000), "blocks": (400000, 400000), "objects": (400000, 400000),
        "heavy": (60000, 4000), "compute": (3000, 40)}
TIMEOUT_S = 300


class Profiler:
    """How a program is run, and its report made."""

    def __init__(self, name, run, report=None, kinds=tuple(WORK), slow=()):
        self.name, self.run, self.report, self.kinds, self.slow = name, run, report, kinds, slow

    def argv(self, kind, n, folder):
        return [word.format(out=folder / "written") for word in self.run] + [PROGRAM, kind, str(n), str(folder / "told")]


LINES, BLOCKS = ("lines", "heavy", "compute"), ("blocks", "objects", "heavy", "compute")
PROFILERS = [
    Profiler("glim mem", [GLIM, "mem", "-o", "{out}", "--", PYTHON]),
    Profiler("glim mem --allocated", [GLIM, "mem", "--allocated", "-o", "{out}", "--", PYTHON]),
    Profiler("glim mem --peak", [GLIM, "mem", "--peak", "-o", "{out}.pb.gz", "--", PYTHON], kinds=BLOCKS),
    Profiler("glim mem --leaks", [GLIM, "mem", "--leaks", "-o", "{out}.pb.gz", "--", PYTHON], kinds=BLOCKS),
    Profiler("memory_profiler", [PYTHON, "-m", "memory_profiler", "-o", "{out}"], kinds=("lines",), slow=("lines",)),
    Profiler("memray", [PYTHON, "-m", "memray", "run", "-q", "-f", "-o", "{out}"],
             [PYTHON, "-m", "memray", "flamegraph", "-f", "-o", "{out}.html", "{out}"], BLOCKS),
    Profiler("memray, pymalloc, too", [PYTHON, "-m", "memray", "run", "-q", "-f", "--trace-python-allocators", "-o", "{out}"],
             [PYTHON, "-m", "memray", "flamegraph", "-f", "-o", "{out}.html", "{out}"], BLOCKS),
    Profiler("scalene", [PYTHON, "-m", "scalene", "run", "-o", "{out}"], kinds=BLOCKS),
    Profiler("tracemalloc", [PYTHON, "-X", "tracemalloc=1"], kinds=BLOCKS),
    Profiler("tracemalloc, 25 frames", [PYTHON, "-X", "tracemalloc=25"], kinds=BLOCKS),
]
NONE = Profiler("none", [PYTHON])


def written(folder):
    return sum(f.stat().st_size for f in folder.iterdir() if f.name != "told" and not f.name.endswith(".html"))


def round_of(profiler, kind, factor):
    """{seconds of CPU time a unit of work, bytes written, seconds until the report}, None: it failed."""
    n = max(1, int(WORK[kind][kind in profiler.slow] * factor))
    with tempfile.TemporaryDirectory(prefix="glim-bench-") as name:
        folder = Path(name)
        argv = profiler.argv(kind, n, folder)
        environment = {**os.environ, "PYTHONHASHSEED": "1"}
        done = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT_S)
        if done.returncode or not (folder / "told").exists():
            print("%s, %s: %s" % (profiler.name, kind, (done.stderr or done.stdout)[-300:]), file=sys.stderr)
            return None
        size = written(folder)
        if profiler.report:
            report = [word.format(out=folder / "written") for word in profiler.report]
            subprocess.run(report, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=TIMEOUT_S)
        told = json.loads((folder / "told").read_text())
        return {"seconds": told["seconds"] / told["units"], "written": size, "report": time.time() - told["ended"]}


def compare(profilers, kind, options):
    """{profiler: medians}, that of none included."""
    chosen = [NONE] + [profiler for profiler in profilers if kind in profiler.kinds]
    rounds = {profiler.name: [] for profiler in chosen}
    for _ in range(options.rounds):
        for profiler in chosen:
            figures = round_of(profiler, kind, options.factor)
            if figures:
                rounds[profiler.name].append(figures)
    return {name: {key: median(r[key] for r in each) for key in each[0]} for name, each in rounds.items() if each}


def rows_of(measured):
    """{profiler: {column: figure}}."""
    rows = {}
    for kind, each in measured.items():
        bare = each["none"]["seconds"]
        for name, figures in each.items():
            row = rows.setdefault(name, {})
            if kind in ("heavy", "compute"):
                row[kind] = figures["seconds"] / bare
            else:
                row[kind] = (figures["seconds"] if name == "none" else figures["seconds"] - bare) * 1e9
            if kind == "heavy" and name != "none":
                row["written"], row["report"] = figures["written"], figures["report"]
    return rows


COLUMNS = [("ns a line", "lines", 1, "%.0f"), ("ns a block", "blocks", 1, "%.0f"), ("ns an object", "objects", 1, "%.0f"),
           ("heavy x", "heavy", 1, "%.2f"), ("compute x", "compute", 1, "%.2f"), ("written KiB", "written", 1024, "%.1f"),
           ("report s", "report", 1, "%.2f")]


def table(rows):
    lines = ["%-24s" % "" + "".join("%13s" % c[0] for c in COLUMNS)]
    for name, row in rows.items():
        cells = [form % (row[key] / unit) if key in row else "-" for _, key, unit, form in COLUMNS]
        lines.append("%-24s" % name + "".join("%13s" % c for c in cells))
    return "\n".join(lines)


def parse():
    p = argparse.ArgumentParser(prog="./dev bench mem", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="one round, a third of the work")
    p.add_argument("--rounds", type=int, default=3, help="of each (3)")
    p.add_argument("--only", action="append", choices=[q.name for q in PROFILERS], help="this one; may be repeated")
    p.add_argument("--kind", action="append", choices=list(WORK), help="this work only; may be repeated")
    p.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = p.parse_args()
    options.factor = 1.0
    if options.quick:
        options.rounds, options.factor = 1, 1 / 3
    return options


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    profilers = [profiler for profiler in PROFILERS if not options.only or profiler.name in options.only]
    measured = {}
    for kind in options.kind or WORK:
        print("== measuring: " + kind, file=sys.stderr)
        measured[kind] = compare(profilers, kind, options)
    rows = rows_of(measured)
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    about = {"kernel": platform.release(), "cpus": os.cpu_count(), "python": version, "rounds": options.rounds}
    if options.json:
        print(json.dumps({"about": about, "rows": rows}, indent="\t"))
        return
    print("%(python)s, %(cpus)d CPUs, Linux %(kernel)s, %(rounds)d rounds; \"none\": its own time" % about)
    print(table(rows))


if __name__ == "__main__":
    main()
