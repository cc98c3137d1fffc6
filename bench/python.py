#!/usr/bin/env python3
"""What watching one Python program costs, and what of it is right: glim record -p, py-spy, Austin.

The program has one thread that works and others that wait. Rounds with each profiler and with none take
turns on the same process. Figures:
  slower %      loops that the program does in a second of its own CPU time, against the rounds without
  core %        of one CPU, the profiler's own time while it samples
  us a sample   of the profiler's own time
  kept %        samples taken, of those asked for
  RSS           of the profiler, at its peak, MiB
  first sample  ms from the start of the profiler to the first moment that a sample shows
  late s        between the time that was asked for and the profiler's end
  highest rate  samples a second: the highest of some rates of which 95 % come in time
  impossible %  samples with a call that the program cannot make, of calls of a microsecond, at 1 kHz"""
import argparse
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "truth"))

import attached  # noqa: E402
import python_score  # noqa: E402
import pythons  # noqa: E402
import recorders  # noqa: E402

RATES = [1000, 2000, 5000, 10000, 20000, 50000]
SLOT_S, SLOTS = 0.005, 1000  # of load/target.py
START_AND_END_S = 0.3  # of a profiler, beside the time it samples
SETTLE_S = 0.7  # a profiler has attached by then


def run_ns(pid):
    """CPU time of all threads of a process that are there now."""
    total = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass  # ended meanwhile
    return total


def peak_rss(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


class Target:
    """The program under test: with Target(...) as t: t.loops(), t.cpu_ns()"""

    def __init__(self, python, folder, threads, kind):
        self.counter = Path(folder) / "counter"
        self.counter.write_bytes(bytes(8))
        self.argv = [str(python.path), "-S", str(HERE / "load" / "target.py"), str(self.counter), str(threads), kind]
        self.kind = kind

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        while self.kind != "clock" and not self.loops():
            time.sleep(0.01)
            if self.process.poll() is not None:
                sys.exit("the program to be profiled ended")
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def loops(self):
        return struct.unpack("<q", self.counter.read_bytes())[0]


def spell(target, profiler, hz, seconds, out):
    """One round: loops a second of the target's CPU time, and what the profiler did; None: no profiler."""
    if not profiler:
        loops, cpu = target.loops(), run_ns(target.pid)
        time.sleep(seconds)
        return {"speed": (target.loops() - loops) / (run_ns(target.pid) - cpu) * 1e9}
    began = time.monotonic()
    watcher = profiler.start(target.pid, hz, out, seconds=seconds)
    time.sleep(SETTLE_S)
    loops, cpu, own, at = target.loops(), run_ns(target.pid), run_ns(watcher.pid), time.monotonic()
    time.sleep(max(0.0, began + seconds - 0.2 - at))
    used, passed, rss = run_ns(watcher.pid) - own, time.monotonic() - at, peak_rss(watcher.pid)
    speed = (target.loops() - loops) / (run_ns(target.pid) - cpu) * 1e9
    attached.end(watcher, 10)
    late = time.monotonic() - began - seconds
    count = profiler.taken(out)
    taken = count / seconds * passed
    return {"speed": speed, "core_percent": used / passed / 1e7, "rss_bytes": rss, "late_seconds": late,
            "us_a_sample": used / taken / 1e3 if count else None, "kept": count / (hz * seconds)}


def compare(python, profilers, threads, kind, hz, options, folder):
    """{profiler: figures} on one target; the rounds take turns, the first is with none."""
    rounds = {name: [] for name in ["none", *(p.name for p in profilers)]}
    with Target(python, folder, threads, kind) as target:
        for _ in range(options.rounds):
            for profiler in [None, *profilers]:
                figures = spell(target, profiler, hz, options.seconds, Path(folder) / "out")
                rounds[profiler.name if profiler else "none"].append(figures)
    without = median(r["speed"] for r in rounds.pop("none"))
    result = {}
    for name, each in rounds.items():
        row = {key: median(r[key] or 0 for r in each) for key in each[0]}
        row["slower_percent"] = 100 * (1 - row.pop("speed") / without)
        result[name] = row
    return result


def first_sample(python, profiler, options, folder):
    """Seconds until the first moment that a sample shows: the least of some tries."""
    best = None
    with Target(python, folder, 1, "clock") as target:
        for _ in range(options.rounds):
            out = Path(folder) / "out"
            began = time.monotonic()
            attached.end(profiler.start(target.pid, 1000, out, seconds=1), 30)
            first = int(began / SLOT_S) % SLOTS
            seen = [(int(f.name[5:]) - first) % SLOTS for frames, _ in profiler.samples(out) for f in frames
                    if not isinstance(f, str) and f.name.startswith("slot_")]
            if seen:
                began_slot = began - began % SLOT_S
                wait = began_slot + min(seen) * SLOT_S + SLOT_S - began
                best = wait if best is None else min(best, wait)
    return best


def highest_rate(python, profiler, options, folder):
    """(highest rate of RATES that is kept, samples a second at the highest one tried); who falls behind
    does not keep it."""
    kept = delivered = 0
    with Target(python, folder, 1, "work") as target:
        for hz in RATES:
            out, began = Path(folder) / "out", time.monotonic()
            attached.end(profiler.start(target.pid, hz, out, seconds=2), 4)
            took = max(2.0, time.monotonic() - began - START_AND_END_S)
            delivered = profiler.taken(out) / took
            if delivered < 0.95 * hz:
                break
            kept = hz
    return kept, delivered


def impossible(python, profiler, options, folder):
    """(samples, share of them with impossible calls) of the fastest-changing program."""
    program = pythons.Program(pythons.BY_NAME["flutter"], python, folder, recorders.suffix())
    run, samples = attached.run(program, profiler, 1000, 1000 * options.seconds, Path(folder) / "out")
    s = python_score.score_samples(run.truth, samples, 1000)
    return s.samples, s.impossible / s.samples if s.samples else None


# --- showing it ---------------------------------------------------------------------------------

COLUMNS = [("slower %", "slower_percent", 1, "%.1f"), ("core %", "core_percent", 1, "%.2f"),
           ("us a sample", "us_a_sample", 1, "%.1f"), ("kept %", "kept", 0.01, "%.1f"),
           ("late s", "late_seconds", 1, "%.1f"), ("RSS MiB", "rss_bytes", 1 << 20, "%.1f")]


def table(costs):
    lines = []
    for title, rows in costs.items():
        lines.append("\n%-24s" % title + "".join("%13s" % c[0] for c in COLUMNS))
        for name, row in rows.items():
            cells = ["-" if row.get(key) is None else form % (row[key] / unit) for _, key, unit, form in COLUMNS]
            lines.append("%-24s" % ("  " + name) + "".join("%13s" % c for c in cells))
    return "\n".join(lines)


def others(single):
    lines = ["\n%-24s%15s%15s%16s%15s" % ("", "first sample", "highest rate", "(tried: got)", "impossible %")]
    for name, row in single.items():
        lines.append("%-24s%15s%15s%16s%15s" % (
            "  " + name, "-" if row["first_sample"] is None else "%.0f ms" % (1e3 * row["first_sample"]),
            row["highest_rate"], "%.0f" % row["delivered"],
            "-" if row["impossible"] is None else "%.2f" % (100 * row["impossible"])))
    return "\n".join(lines)


def parse():
    p = argparse.ArgumentParser(prog="./dev bench python", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="one round each, fewer threads")
    p.add_argument("--rounds", type=int, default=2, help="with each profiler and with none (2)")
    p.add_argument("--seconds", type=int, default=2, help="of a round (2)")
    p.add_argument("--only", action="append", choices=list(attached.BY_NAME), help="this profiler; may be repeated")
    p.add_argument("--version", help="of the interpreter, such as 3.11 (the newest that all know)")
    p.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = p.parse_args()
    if options.quick:
        options.rounds = 1
    return options


def choose_python(version):
    fit = [python for python in pythons.interpreters()
           if (python.name.startswith(version) if version else (3, 8) <= python.version[:2] <= (3, 13))]
    return fit[-1] if fit else sys.exit("no such interpreter here: %s" % (version or "CPython 3.8 to 3.13"))


def say(what):
    print("== measuring: " + what, file=sys.stderr)


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    chosen = [attached.BY_NAME[name] for name in options.only or attached.BY_NAME]
    refused = {profiler.name: attached.why_not(profiler) for profiler in chosen}
    profilers = [profiler for profiler in chosen if not refused[profiler.name]]
    python = choose_python(options.version)
    settings = [(threads, "work", hz) for threads in ((1, 8) if options.quick else (1, 8, 32)) for hz in (100, 1000)]
    settings.append((1, "deep", 1000))
    costs, single = {}, {}
    with tempfile.TemporaryDirectory(prefix="glim-bench-") as folder:
        for threads, kind, hz in settings:
            title = "%d threads, %d Hz" % (threads, hz) if kind == "work" else "300 frames, %d Hz" % hz
            say(title)
            costs[title] = compare(python, profilers, threads, kind, hz, options, folder)
        for profiler in profilers:
            say(profiler.name + " by itself")
            kept, delivered = highest_rate(python, profiler, options, folder)
            single[profiler.name] = {"first_sample": first_sample(python, profiler, options, folder),
                                     "highest_rate": kept, "delivered": delivered,
                                     "impossible": impossible(python, profiler, options, folder)[1]}
    about = {"kernel": platform.release(), "cpus": os.cpu_count(), "python": python.name,
             "seconds": options.seconds, "rounds": options.rounds}
    if options.json:
        print(json.dumps({"about": about, "costs": costs, "single": single}, indent="\t"))
        return
    print("CPython %(python)s, %(cpus)d CPUs, Linux %(kernel)s, %(rounds)d rounds of %(seconds)d s" % about)
    print(table(costs) + "\n" + others(single))
    for name, why in refused.items():
        if why:
            print("\n%s: cannot be used here: %s" % (name, why))


if __name__ == "__main__":
    main()
