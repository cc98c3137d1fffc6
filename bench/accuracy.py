#!/usr/bin/env python3
"""How true stacks and shares are: programs that know their own, under profilers, and a score.

The programs and what counts as right: tests/truth. Each runs under glim record, and in runs of their
own under perf record --call-graph dwarf; with GLIM_BENCH_OTEL=PROGRAM under the OpenTelemetry eBPF
profiler, whose addresses are named here. Figures:
  right %      stacks complete and as they were; of a stack that nobody can follow: marked as cut
  cut          samples whose stack is marked as cut
  unmarked     samples with other frames than the true ones, or fewer, and no word about it
  impossible   samples with a call that the program cannot make
  shares off   half the sum of the differences between shares seen and true, in points; (limit):
               what chance alone does not exceed
  CPU missing  of the CPU time that the kernel counted, what no sample stands for
  start %      right, in the first 300 ms of a program never seen before"""
import argparse
import dataclasses
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "truth"))

import cases  # noqa: E402
import recorders  # noqa: E402
import score  # noqa: E402


def by_glim(chosen, programs, options, folder):
    with recorders.Glim(folder, options.hz) as glim:
        runs = [cases.run(case, programs[case.name], options.seconds * 1000) for case in chosen]
    rate = recorders.glim_rate(options.hz)
    return {run.case.name: score.score_run(run, glim.folded, rate) for run in runs}


def by_perf(chosen, programs, options, folder):
    scores = {}
    for case in chosen:
        if case.only_addresses:
            continue
        run, folded = recorders.perf_run(case, programs[case.name], options.seconds * 1000, options.hz)
        scores[case.name] = score.score_run(run, folded, options.hz)
    return scores


def by_otel(chosen, programs, options, folder):
    python = HERE.parent / "build-venv-bench" / "bin" / "python"
    with recorders.Otel(folder, os.environ["GLIM_BENCH_OTEL"], python, options.hz) as otel:
        runs = [cases.run(case, programs[case.name], options.seconds * 1000) for case in chosen]
    return {run.case.name: score.score_run(run, otel.folded, options.hz, nameless=True) for run in runs}


def table(scores, chosen, complete, verbose):
    lines = [score.FORM % score.HEAD]
    for case in chosen:
        s = scores.get(case.name)
        if not s:
            lines.append("%-14s%9s" % (case.name, "-"))
            continue
        failed = s.failures(complete)
        lines.append(score.row(case.name, s) + ("   ! " + "; ".join(failed) if failed else ""))
        if verbose and failed:
            lines.append(score.details(s))
    return "\n".join(lines)


def as_json(s):
    return {**dataclasses.asdict(s), "complete": s.complete, "start_complete": s.start_complete,
            "failures": s.failures()}


def parse():
    p = argparse.ArgumentParser(prog="./dev bench accuracy", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", action="store_true", help="programs in Python instead, which see: --python --help")
    p.add_argument("--case", action="append", metavar="NAME", help="only this case; may be repeated")
    p.add_argument("--list", action="store_true", help="name the cases")
    p.add_argument("--seconds", type=int, default=2, help="CPU time that each program burns (2)")
    p.add_argument("--hz", type=int, default=recorders.HZ, help="samples a second (%d)" % recorders.HZ)
    p.add_argument("--only", choices=["glim", "perf", "otel"], help="one profiler only")
    p.add_argument("--details", action="store_true", help="of what failed: reasons, calls, stacks")
    p.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = p.parse_args()
    unknown = set(options.case or ()) - set(cases.BY_NAME)
    if unknown:
        p.error("no such case: %s (--list names them)" % ", ".join(sorted(unknown)))
    return options


def main():
    if "--python" in sys.argv:
        import accuracy_python
        accuracy_python.main()
        return
    options = parse()
    if options.list:
        for case in cases.CASES:
            print("%-12s %s" % (case.name, case.about))
        return
    if os.geteuid() != 0:
        sys.exit("profiling needs root: sudo ./dev bench accuracy")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    chosen = [case for case in cases.CASES if not options.case or case.name in options.case]
    results = {}
    with tempfile.TemporaryDirectory(prefix="glim-truth-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        programs = {case.name: cases.build(case, folder / case.name, recorders.suffix()) for case in chosen}
        if options.only in (None, "glim"):
            results["glim"] = by_glim(chosen, programs, options, folder)
        if os.environ.get("GLIM_BENCH_OTEL") and options.only in (None, "otel"):
            results["opentelemetry"] = by_otel(chosen, programs, options, folder)
        refused = recorders.perf_refuses() if options.only in (None, "perf") else None
        if options.only in (None, "perf") and not refused:
            results["perf"] = by_perf(chosen, programs, options, folder)
    about = {"kernel": platform.release(), "cpus": os.cpu_count(), "hz": options.hz, "seconds": options.seconds}
    if options.json:
        print(json.dumps({"about": about, "results": {
            name: {case: as_json(s) for case, s in scores.items()} for name, scores in results.items()}}, indent="\t"))
        return
    print("%(hz)d Hz, %(cpus)d CPUs, Linux %(kernel)s, %(seconds)d s of CPU time a case" % about)
    for name, scores in results.items():
        print("\n%s\n%s" % (name, table(scores, chosen, 0.999, options.details)))
    if refused:
        print("\nperf: cannot be used here: " + refused)


if __name__ == "__main__":
    main()
