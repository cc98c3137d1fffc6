"""Stacks and shares of programs that know their own, as glim record sees them.

The cases are in cases.py, what is right in score.py. ./dev bench accuracy runs all of them, and
other profilers beside. Every case here must reach what CASES_REACH says."""

import pytest

import cases
import recorders
import score

CPU_MS = 1500
CASES_REACH = 0.999  # of the stacks are complete and right
NAMES = [
    "omit-fp", "fp", "o0", "lto", "clang", "static", "static-pie", "no-pie", "stripped", "debugframe", "no-header",
    "inlined", "inlined4", "tail", "deep200", "deep1000", "objects", "signals", "threads", "crowd", "mappings", "forks",
    "vdso", "calls", "asm-fp", "anonymous", "memfd", "deleted", "replaced", "namespace", "rust", "rust-v0",
    "asm-bare", "contexts", "dlopened", "mainless", "reexec", "short50", "short20", "sparse", "spawn", "musl",
    "go", "go-strip", "go-gc", "cgo",
]


def build(name, folder):
    return cases.build(cases.BY_NAME[name], folder / name, recorders.suffix())


def record(programs, folder):
    """{case: (Run, what glim saw of everything)} of one recording over these cases."""
    with recorders.Glim(folder) as glim:
        runs = {name: cases.run(cases.BY_NAME[name], program, CPU_MS) for name, program in programs.items()}
    return {name: (run, glim.folded) for name, run in runs.items()}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    return record({name: build(name, folder) for name in NAMES}, folder)


def judge(run, folded):
    """(the score, what fails)"""
    result = score.score_run(run, folded, recorders.glim_rate())
    return result, result.failures(CASES_REACH)


@pytest.mark.parametrize("name", NAMES)
def test_stacks_are_the_true_ones(seen, name, tmp_path):
    run, folded = seen[name]
    result, failures = judge(run, folded)
    # On a loaded machine the first samples of a program may wait too long: it gets a recording of its own.
    program = build(name, tmp_path) if failures else None
    for _ in range(2):
        if not failures:
            break
        run, folded = record({name: program}, tmp_path)[name]
        result, failures = judge(run, folded)
    assert result.samples > CPU_MS * recorders.HZ / 1000 * 0.5
    assert not failures, score.row(name, result) + "\n" + score.details(result)
