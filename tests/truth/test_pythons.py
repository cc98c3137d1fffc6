"""Stacks, shares and lines of Python programs that know their own, on the interpreters of this machine.

Under glim record -a every interpreter runs two of the cases and every case runs on two interpreters, under
glim record -p half of that; those with modules run on the versions that these are unpacked for. ./dev bench
accuracy --python runs them all, and other profilers beside. What is right: python_score.py."""

import pytest

import attached
import python_score
import pythons
import recorders

CPU_MS = 500
REACH = 0.995  # at some 500 samples a case, one or two may be of a thread's start, or of code that is gone
# The reader: a caller that went on to its next call while it was read, of calls of a microsecond.
TRIES = 3  # what is wrong is wrong each time
TORN = 0.002  # one sample of some 500
ALL = pythons.interpreters()
MODULES = pythons.pairs(pythons.MODULE_CASES, [python for python in ALL if not python.name.endswith("-system")])
KERNEL = pythons.rotation(pythons.CASES, [python for python in ALL if (3, 8) <= python.version < (3, 14)]) + MODULES
READER = pythons.rotation(pythons.CASES, ALL, 1) + MODULES
STOPPED = pythons.rotation([pythons.BY_NAME[name] for name in ("callbacks", "released", "coroutines")],
                           [python for python in ALL if python.version[:2] in ((3, 8), (3, 11), (3, 13))], 1)


def named(pairs):
    return {"argvalues": pairs, "ids": ["%s-%s" % (python.name, case.name) for case, python in pairs]}


def record(pairs, folder):
    """{name: (Run, what glim saw of everything)} of one recording."""
    with recorders.Glim(folder) as glim:
        runs = [pythons.Program(case, python, folder, recorders.suffix()).run(CPU_MS) for case, python in pairs]
    return {run.name: (run, glim.folded) for run in runs}


def judge(run, folded):
    return python_score.score_run(run, python_score.read_folded(folded, run.process), recorders.HZ, True)


def hold(run, result, torn=0.0):
    assert result.samples > (run.case.cpu_ms or CPU_MS) * recorders.HZ / 1000 / 2
    assert not result.failures(REACH, torn), python_score.row(run.name, result) + "\n" + python_score.details(result)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return record(KERNEL, tmp_path_factory.mktemp("pythons"))


@pytest.mark.parametrize("case, python", **named(KERNEL))
def test_the_kernel_sees_true_stacks(seen, case, python, tmp_path):
    run, folded = seen["%s %s" % (python.name, case.name)]
    result = judge(run, folded)
    for _ in range(TRIES - 1):  # a loaded machine: again, by itself
        if not result.failures(REACH):
            break
        run, folded = next(iter(record([(case, python)], tmp_path).values()))
        result = judge(run, folded)
    hold(run, result)


def hold_attached(case, python, profiler, tmp_path, torn):
    for _ in range(TRIES):  # a loaded machine
        program = pythons.Program(case, python, tmp_path, recorders.suffix())
        run, samples = attached.run(program, attached.BY_NAME[profiler], recorders.HZ, CPU_MS, tmp_path / "out")
        result = python_score.score_run(run, samples, recorders.HZ, True, profiler == "glim")
        if not result.failures(REACH, torn):
            break
    hold(run, result, torn)


@pytest.mark.parametrize("case, python", **named(READER))
def test_the_reader_sees_true_stacks(case, python, tmp_path):
    hold_attached(case, python, "glim", tmp_path, TORN)


@pytest.mark.parametrize("case, python", **named(STOPPED))
def test_stopped_threads_have_true_stacks(case, python, tmp_path):
    hold_attached(case, python, "glim native", tmp_path, 0.0)
