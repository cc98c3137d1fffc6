"""glim timeit: on every interpreter of the machine, beside python -m timeit."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "truth"))

import pythons  # noqa: E402

ALL = pythons.interpreters()
NEWEST = str(ALL[-1].path)
PYPY = Path("/usr/bin/pypy3")
# 12 ms of the CPU clock, however busy the machine is.
BUSY = "t = time.process_time() + 0.012\nwhile time.process_time() < t: pass"


def timeit(glim, *arguments, stdin=""):
    return subprocess.run(
        [glim, "timeit", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120
    )


def measured(glim, *arguments, **more):
    r = timeit(glim, "--json", *arguments, **more)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def test_every_interpreter(glim):
    paths = [i.path for i in ALL] + [PYPY]
    chosen = itertools.chain.from_iterable(("--python", p) for p in paths)
    found = measured(glim, "-n", 1000, "-r", 3, *chosen, "bytes(1000)")
    results = found["results"]
    assert [r["python"]["version"] for r in results[:-1]] == [".".join(map(str, i.version)) for i in ALL]
    assert [r["python"]["name"] for r in results] == ["CPython"] * len(ALL) + ["PyPy"]
    for r in results:
        assert (r["loops"], r["repeats"], r["processes"], len(r["raw"])) == (1000, 3, 3, 3)
        assert r["best"] <= r["median"] <= r["slowest_lap"] and r["fastest_lap"] <= r["mean"]
        assert r["interval"][0] <= r["mean"] <= r["interval"][1]
        assert 0 < r["loop"] and {"best", "median", "mean"} <= r["wall"].keys() & r["cpu"].keys()
        assert sum(r["histogram"]["laps"]) == r["laps"] - r["laps_left_out"]
        counts = r["python"]["name"] == "CPython" and not r["python"]["version"].startswith("2.")
        assert r["memory"] == ({"peak": 1033, "kept": 0, "allocated": 1033} if counts else None)  # sys.getsizeof of it
    assert [(c["result"], c["against"]) for c in found["comparisons"]] == [(i, 0) for i in range(1, len(results))]


@pytest.mark.parametrize("python", [ALL[0].path, NEWEST])
def test_options_mean_the_same(glim, python):
    """Setups and statements are run as often as asked for, and no more."""
    write = "import os; os.write(2, b'%s')"
    options = ["-n", 7, "-r", 4, "-s", "import os", "-s", write % "s", "--no-memory", "--python", python]
    r = timeit(glim, *options, "-v", "-u", "usec", "if 1:", "    os.write(2, b'x')")
    assert r.returncode == 0 and r.stderr == ("s" + 7 * "x") * 4
    assert "7 loops, best of 4: " in r.stdout and " usec per loop" in r.stdout
    (raw,) = [line for line in r.stdout.splitlines() if line.startswith("raw times: ")]
    assert raw.count("usec") == 4
    assert timeit(glim, "-n", 1, "-r", 0, "--python", python).stdout.count("best of 1:") == 1  # of "pass"


def test_the_number_of_loops(glim):
    """1, 2, 5, 10, 20 until it takes 0.2 s; and a loop of a known length."""
    options = ["-p", "-r", "1", "-s", "import time", BUSY]
    (r,) = measured(glim, "--no-memory", "--python", NEWEST, *options)["results"]
    said = subprocess.run([NEWEST, "-m", "timeit", *options], capture_output=True, text=True).stdout
    assert r["loops"] == 20 and said.startswith("20 loops"), said
    assert r["clock"] == "cpu" and r["raw"] and r["best"] == r["cpu"]["best"]
    assert 0.0119 < r["cpu"]["best"] < 0.02 and r["wall"]["best"] > 0.01


def test_agrees_with_timeit(glim):
    """Within what a busy machine does to timeit, too: ./dev bench timeit measures it."""
    statement = "','.join(map(str, range(50)))"
    (r,) = measured(glim, "-p", "-r", 3, "--no-memory", "--python", NEWEST, statement)["results"]
    said = subprocess.run(
        [NEWEST, "-m", "timeit", "-p", "-r", "3", "-u", "sec", statement], capture_output=True, text=True, check=True
    ).stdout
    best = float(said.split(": ")[1].split(" sec")[0])
    assert best / 3 < r["best_with_loop"] < best * 3
    assert best / 3 < r["best"] + r["loop"] < best * 3 and r["best"] <= r["median"]
    assert r["processes"] == 3 and r["laps"] > 100


def test_two_statements_are_compared(glim):
    options = ["-p", "-n", 200, "--no-memory", "--python", NEWEST]
    found = measured(glim, *options, "sum(range(1000))", "--vs", "sum(range(2000))", "--vs", "pass")
    assert [r["statement"] for r in found["results"]] == ["sum(range(1000))", "sum(range(2000))", "pass"]
    twice, none = found["comparisons"]
    assert 1.4 < twice["ratio"] < 2.8 and twice["different"] is True and twice["p"] < 0.05
    assert twice["interval"][0] < twice["ratio"] < twice["interval"][1]
    assert none["against"] == 0 and none["ratio"] is None or none["ratio"] < 0.1
    text = timeit(glim, *options, "sum(range(1000))", "--vs", "sum(range(2000))").stdout
    assert "[2] takes " in text and " times as long as [1] (" in text


def test_memory_of_a_loop(glim):
    """What a loop keeps is not what it has at most, nor what it asks for."""
    statements = ["x = bytes(5000)", "--vs", "l.append(bytes(1000))", "--vs", "len([0] * 10000)", "--vs", "pass"]
    statements += ["--vs", "for i in range(10): bytes(1000)"]
    found = measured(glim, "-n", 200, "-r", 1, "--python", NEWEST, "-s", "l = []", *statements)
    memory = [r["memory"] for r in found["results"]]
    assert memory[0] == {"peak": 5033, "kept": 0, "allocated": 5033}
    assert 1033 <= memory[1]["kept"] < 1100 and 1033 <= memory[1]["peak"]
    assert 80000 <= memory[2]["peak"] < 80200 and memory[2]["kept"] == 0
    assert 80036 <= memory[2]["allocated"] < 80200  # [0] is a list of 8 bytes, the length has 28
    assert memory[1]["kept"] <= memory[1]["allocated"] < 1200  # and the list, each time it grows
    assert memory[3] == {"peak": 0, "kept": 0, "allocated": 0}
    assert memory[4]["peak"] < 1200 and 10330 <= memory[4]["allocated"] < 10500 and memory[4]["kept"] == 0


def test_input_and_output_are_the_statements(glim):
    options = ["-n", 2, "-r", 1, "--no-memory", "--python", NEWEST, "print(input())"]
    r = timeit(glim, *options, stdin="a\nb\nc\n")
    assert r.stdout.startswith("a\nb\nprint(input())\n") and r.stderr == ""
    r = timeit(glim, "--json", *options, stdin="a\nb\nc\n")
    assert json.loads(r.stdout)["results"][0]["loops"] == 2 and r.stderr == "a\nb\n"


@pytest.mark.parametrize("options, shown", [([], True), (["-q"], False)])
def test_progress_is_for_a_terminal(glim, options, shown):
    terminal, theirs = os.openpty()
    options = ["-n", "100", "-r", "1", "--python", NEWEST, "--no-memory", *options]
    with os.fdopen(terminal, "rb", buffering=0) as said:
        out = subprocess.run([glim, "timeit", *options], stdout=subprocess.PIPE, stderr=theirs, timeout=60).stdout
        os.write(theirs, b"end\n")  # a terminal hands out what there is, in pieces
        text = b""
        while b"end" not in text:
            text += said.read(4096)
        os.close(theirs)
    assert (b"measuring: 100 %" in text) == shown
    assert b"best of 1:" in out and b"\033" not in out


def test_seeds_of_hashes(glim):
    """Each of the interpreters has its own, that of the environment counts, and the statement sees none."""
    options = ["--json", "-n", "1", "-r", "5", "--no-memory", "--python", NEWEST, "-s", "import os"]
    say = "print(hash('a'), os.environ.get('PYTHONHASHSEED'))"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    for environment, count, seed in ((clean, 5, "None"), ({**clean, "PYTHONHASHSEED": "5"}, 1, "5")):
        r = subprocess.run([glim, "timeit", *options, say], capture_output=True, text=True, env=environment)
        lines = r.stderr.splitlines()
        assert len(lines) == 5 and len(set(lines)) == count and {line.split()[1] for line in lines} == {seed}


def test_a_statement_that_forks(glim):
    """The children go through the rest of their lap, and no further."""
    found = measured(glim, "-n", 3, "-r", 2, "--no-memory", "--python", NEWEST, "-s", "import os", "os.fork()")
    assert [len(r["raw"]) for r in found["results"]] == [2]


def test_the_collector_is_off(glim):
    say = "import gc, os; os.write(2, b'01'[gc.isenabled():][:1])"
    options = ["-n", 1, "-r", 1, "--no-memory", "--python", NEWEST, say]
    assert timeit(glim, *options).stderr == "0"
    assert timeit(glim, "-s", "import gc; gc.enable()", *options).stderr == "1"


def test_lines_of_texts_stay_where_they_are(glim):
    text = 's = """a\n b"""\nassert len(s) == 4\nif s:\n  s = 0'
    assert timeit(glim, "-n", 1, "-r", 1, "-s", text, "--python", NEWEST, text).returncode == 0


@pytest.mark.parametrize("python", [ALL[0].path, NEWEST])
@pytest.mark.parametrize(
    "arguments, words",
    [
        (["1 +"], ['File "<statement>", line 1', "1 +", "SyntaxError"]),
        (["-s", "x = 1", "-s", "y = = 1", "x"], ['File "<setup>", line 2', "y = = 1", "SyntaxError"]),
        (["break"], ["'break' outside loop"]),
        (["-s", "d = {}", "d[1]"], ["Traceback", 'File "<timeit>", line 2', "    d[1]", "KeyError: 1"]),
        (["-s", "import nothing_there", "1"], ["import nothing_there", "No module named"]),
        (["import sys; sys.exit(3)"], ["SystemExit: 3", "the statement failed"]),
        (["import os; os._exit(3)"], ["the statement ended the interpreter with status 3"]),
        (["import os; os.kill(os.getpid(), 9)"], ["the statement ended the interpreter by signal 9 (Killed)"]),
        (["import os; os.closerange(3, 1000)"], ["the statement ended the interpreter with status 1"]),
    ],
)
def test_a_statement_that_fails(glim, python, arguments, words):
    r = timeit(glim, "-n", 2, "--python", python, *arguments)
    assert r.returncode == 1 and r.stdout == ""
    assert [w for w in words if w not in r.stderr] == [], r.stderr
    assert "glim_timeit" not in r.stderr  # nothing of ours in the traceback


def test_what_was_measured_is_not_lost(glim):
    fails_later = "l.append(0)\nif n.append(0) or len(n) > 25: raise ValueError('enough')"
    setup = "import time; l = []; n = time.__dict__.setdefault('n', [])"
    r = timeit(glim, "--json", "-n", 10, "-r", 20, "--no-memory", "--python", NEWEST, "-s", setup, fails_later)
    found = json.loads(r.stdout)
    assert r.returncode == 1 and "ValueError: enough" in r.stderr
    assert found["error"] == "the statement failed" and found["results"][0]["repeats"] == 2


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["--python", "/bin/true", "1"], 1, "/bin/true is no Python that can be asked: it ended with status 0"),
        (["--python", "/nonexistent", "1"], 1, "cannot find the interpreter /nonexistent"),
        (["--python", "/etc/passwd", "1"], 1, "/etc/passwd is no program that can be run"),
        (["--python", "no-such-python", "1"], 1, "there is no interpreter no-such-python on PATH"),
        (["--python", "3.99", "1"], 1, "there is no Python 3.99 on PATH"),
        (["-n", "many", "1"], 2, "-n must be a number"),
        (["-u", "hours", "1"], 2, "-u takes nsec, usec, msec or sec"),
    ],
)
def test_what_is_wrong_is_said(glim, arguments, status, words):
    r = timeit(glim, *arguments)
    assert r.returncode == status and words in r.stderr and r.stdout == ""


def test_an_interrupt_ends_with_what_was_measured(glim, run):
    setup = "import os, time; os.write(2, b'again\\n')"
    process = run(
        [glim, "timeit", "--json", "-n", "1", "-r", "100000", "--python", NEWEST, "-s", setup, "time.sleep(0.01)"]
    )
    for _ in range(3):
        process.wait_line("again")
    assert process.stop(signal.SIGINT) == 0
    found = json.loads(process.lines[-1])
    assert found["interrupted"] is True and found["results"][0]["repeats"] >= 2


def test_an_interrupt_does_not_wait_for_the_statement(glim, run):
    setup = "import os, time; os.write(2, b'pid %d\\n' % os.getpid())"
    process = run([glim, "timeit", "--python", NEWEST, "-s", setup, "time.sleep(600)"])
    pid = process.wait_line(r"pid (\d+)")[1]
    assert process.stop(signal.SIGINT) == 1
    assert "interrupted" in process.output and not Path("/proc", pid).exists()
