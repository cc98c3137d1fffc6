#!/usr/bin/env python3
"""Does glim timeit agree with python -m timeit, and how much do both differ from run to run?

Ten statements of 20 ns to 50 ms; runs of both take turns. Figures, of the best that each says:
  timeit -p    the median of its runs, by the CPU clock
  glim -p      the same of glim's, with the loop that python -m timeit counts, too
  ratio        of these two
  spread %     from the least to the greatest of the runs, of their median: of both, by the CPU clock, and by
               the wall clock (timeit without -p; glim in the same runs)
  seconds      of CPU time that a run takes
With --same N, how often --vs says of a statement and itself that they differ: at most 5 % of the times."""
import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

GLIM = Path(__file__).resolve().parent.parent / "build" / "glim"
WORDS = "words = 'the quick brown fox jumps over the lazy dog'.split() * 20"
STATEMENTS = [
    ("d = dict.fromkeys(range(100))", "50 in d"),
    ("x = 3.5", "x * x + x"),
    ("def f(a): return a", "f(1)"),
    ("", "','.join(map(str, range(10)))"),
    ("", "[i * 2 for i in range(100)]"),
    (WORDS, "sorted(words)"),
    ("import json; text = json.dumps(list(range(1000)))", "json.loads(text)"),
    ("import re; text = 'abc def 123 ' * 500", "re.findall(r'[a-z]+', text)"),
    ("", "sum(i * i for i in range(100000))"),
    ("import random; r = random.Random(1); l = [r.random() for _ in range(100000)]", "sorted(l)"),
]


def child_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(argv):
    """What it prints, and the CPU time that it took."""
    before = child_cpu()
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s failed:\n%s" % (argv[0], done.stderr))
    return done.stdout, child_cpu() - before


def timeit(python, setup, statement, *options):
    """The best that python -m timeit says, and its CPU time."""
    said, cpu = run([python, "-m", "timeit", "-u", "sec", *options, "-s", setup or "pass", statement])
    return float(said.split(": ")[1].split(" sec")[0]), cpu


def glim(python, setup, statement):
    said, cpu = run([GLIM, "timeit", "--json", "--no-memory", "-p", "--python", python, "-s", setup, statement])
    return json.loads(said)["results"][0], cpu


def count_false_alarms(python, n):
    statement = "sum(range(100))"
    command = [GLIM, "timeit", "--json", "--no-memory", "-n", 10000, "--python", python, statement, "--vs", statement]
    return sum(json.loads(run(command)[0])["comparisons"][0]["different"] for _ in range(n))


def spread(values):
    return 100 * (max(values) - min(values)) / median(values)


def measure(python, setup, statement, runs):
    theirs, theirs_wall, ours, their_cpu, our_cpu = [], [], [], [], []
    for _ in range(runs):
        best, cpu = timeit(python, setup, statement, "-p")
        theirs.append(best)
        their_cpu.append(cpu)
        theirs_wall.append(timeit(python, setup, statement)[0])
        result, cpu = glim(python, setup, statement)
        ours.append(result)
        our_cpu.append(cpu)
    cpu = [r["cpu"]["best"] + r["cpu"]["loop"] for r in ours]
    return {
        "timeit": median(theirs), "glim": median(cpu), "ratio": median(cpu) / median(theirs),
        "timeit_spread": spread(theirs), "glim_spread": spread(cpu),
        "timeit_wall_spread": spread(theirs_wall),
        "glim_wall_spread": spread([r["wall"]["best"] + r["wall"]["loop"] for r in ours]),
        "glim_median_spread": spread([r["cpu"]["median"] for r in ours]),
        "timeit_seconds": median(their_cpu), "glim_seconds": median(our_cpu),
    }


def shown(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return "%.3g %s" % (seconds / size, unit)
    return "%.3g ns" % (seconds * 1e9)


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", default=sys.executable, help="the interpreter (that which runs this)")
    p.add_argument("--runs", type=int, default=5, help="of each, a statement (5)")
    p.add_argument("--busy", type=int, default=0, metavar="N", help="N processes are busy meanwhile (0)")
    p.add_argument("--only", type=int, action="append", metavar="N", help="this statement, from 1; may be given again")
    p.add_argument("--same", type=int, metavar="N", help="only compare a statement with itself, so often")
    p.add_argument("--json", action="store_true", help="for programs")
    return p.parse_args()


TITLES = ["statement", "timeit -p", "glim -p", "ratio", "spread %, CPU: timeit; glim", "wall: timeit; glim",
          "seconds: timeit; glim"]


def line(r):
    return "| `%s` | %s | %s | %.2f | %.1f; %.1f | %.1f; %.1f | %.1f; %.1f |" % (
        r["statement"], shown(r["timeit"]), shown(r["glim"]), r["ratio"], r["timeit_spread"], r["glim_spread"],
        r["timeit_wall_spread"], r["glim_wall_spread"], r["timeit_seconds"], r["glim_seconds"])


def main():
    options = parse()
    if options.same:
        wrong = count_false_alarms(options.python, options.same)
        print("called different: %d of %d, load %.1f" % (wrong, options.same, os.getloadavg()[0]))
        return
    version = run([options.python, "-c", "import platform; print(platform.python_version())"])[0].strip()
    about = {"python": version, "cpus": os.cpu_count(), "kernel": platform.release(), "runs": options.runs,
             "busy": options.busy}
    spin = "x = list(range(100000))\nwhile True: x = [i + 1 for i in x]"
    busy = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(options.busy)]
    rows = []
    if not options.json:
        print("CPython %(python)s, %(cpus)d CPUs, Linux %(kernel)s, %(runs)d runs" % about)
        print("| %s |\n|---%s|" % (" | ".join(TITLES), "|---:" * (len(TITLES) - 1)), flush=True)
    try:
        for number in options.only or range(1, len(STATEMENTS) + 1):
            setup, statement = STATEMENTS[number - 1]
            rows.append({"statement": statement, **measure(options.python, setup, statement, options.runs)})
            if not options.json:
                print(line(rows[-1]), flush=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    about["load"] = os.getloadavg()[0]
    if options.json:
        print(json.dumps({"about": about, "rows": rows}, indent="\t"))
    else:
        print("load at the end: %.1f" % about["load"])


if __name__ == "__main__":
    main()
