"""How true stacks, shares and lines of Python programs are: ./dev bench accuracy --python

The programs and what counts as right: tests/truth (pythons.py, python_score.py). Each runs on every
interpreter of this machine, under glim record -a, and in runs of its own under glim record -p, py-spy
and Austin, each at the same rate. Only Python frames are compared. Figures, beside those of
./dev bench accuracy:
  lines        samples with a function at a line where it cannot be
  names        samples with a name that is not the qualified one (of who says qualified names)
Who samples by the clock on the wall is not asked for shares and CPU time of programs with threads: on a
busy machine those are of the machine."""
import argparse
import dataclasses
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

import attached
import python_score
import pythons
import recorders

KERNEL = "glim -a"
NEWEST_KERNEL, OLDEST_KERNEL = (3, 14), (3, 8)  # what glim record -a knows


def parse():
    p = argparse.ArgumentParser(prog="./dev bench accuracy --python", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", action="store_true", help="programs in Python (this)")
    p.add_argument("--case", action="append", metavar="NAME", help="only this case; may be repeated")
    p.add_argument("--version", action="append", metavar="V",
                   help="only interpreters 3.11, 3.12.1 ...; may be repeated")
    p.add_argument("--list", action="store_true", help="name the cases and the interpreters")
    p.add_argument("--seconds", type=float, default=1, help="CPU time that each program burns (1)")
    p.add_argument("--hz", type=int, default=recorders.HZ, help="samples a second (%d)" % recorders.HZ)
    p.add_argument("--only", action="append", choices=[KERNEL, *attached.BY_NAME],
                   help="this profiler; may be repeated")
    p.add_argument("--details", action="store_true", help="of what failed: reasons, calls, stacks, lines")
    p.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = p.parse_args()
    unknown = set(options.case or ()) - set(pythons.BY_NAME)
    if unknown:
        p.error("no such case: %s (--list names them)" % ", ".join(sorted(unknown)))
    return options


def by_kernel(pairs, options, folder):
    pairs = [(case, python) for case, python in pairs if OLDEST_KERNEL <= python.version < NEWEST_KERNEL]
    with recorders.Glim(folder, options.hz) as glim:
        runs = [pythons.Program(case, python, folder, recorders.suffix()).run(int(1000 * options.seconds))
                for case, python in pairs]
    return {run.name: python_score.score_run(run, python_score.read_folded(glim.folded, run.process), options.hz, True)
            for run in runs}


def by_attached(profiler, pairs, options, folder):
    scores = {}
    for case, python in pairs:
        program = pythons.Program(case, python, folder, recorders.suffix())
        try:
            run, samples = attached.run(program, profiler, options.hz, int(1000 * options.seconds), folder / "out")
        except RuntimeError as e:
            print("%s: %s" % (profiler.name, e), file=sys.stderr)
            continue
        scores[run.name] = python_score.score_run(run, samples, options.hz, profiler.qualified)
    return scores


def show(scores, details):
    print(python_score.FORM % python_score.HEAD)
    for name, s in scores.items():
        failed = s.failures()
        print(python_score.row(name, s) + ("   ! " + "; ".join(failed) if failed else ""))
        if details and failed:
            print(python_score.details(s))


def main():
    options = parse()
    interpreters = [p for p in pythons.interpreters()
                    if not options.version or any((p.name + ".").startswith(v + ".") for v in options.version)]
    if options.list:
        for case in pythons.CASES:
            print("%-16s %s" % (case.name, case.about))
        for python in interpreters:
            print("%-16s %s" % (python.name, python.path))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    cases = [case for case in pythons.CASES if not options.case or case.name in options.case]
    pairs = pythons.pairs(cases, interpreters)
    chosen = options.only or [KERNEL, *attached.BY_NAME]
    results = {}
    with tempfile.TemporaryDirectory(prefix="glim-truth-") as folder:
        folder = Path(folder)
        if KERNEL in chosen and os.geteuid() == 0:
            results[KERNEL] = by_kernel(pairs, options, folder)
        for profiler in attached.PROFILERS:
            refused = profiler.name in chosen and attached.why_not(profiler)
            if refused:
                print("%s: cannot be used here: %s" % (profiler.name, refused), file=sys.stderr)
            elif profiler.name in chosen:
                results[profiler.name] = by_attached(profiler, pairs, options, folder)
    about = {"kernel": platform.release(), "cpus": os.cpu_count(), "hz": options.hz, "seconds": options.seconds}
    if options.json:
        print(json.dumps({"about": about, "results": {
            name: {case: {**dataclasses.asdict(s), "complete": s.complete, "failures": s.failures()}
                   for case, s in scores.items()} for name, scores in results.items()}}, indent="\t"))
        return
    print("%(hz)d Hz, %(cpus)d CPUs, Linux %(kernel)s, %(seconds)g s of CPU time a case" % about)
    for name, scores in results.items():
        print("\n" + name)
        show(scores, options.details)
