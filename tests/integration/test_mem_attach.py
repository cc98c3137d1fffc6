"""glim mem -p: a process that runs already, whose every function takes a known amount.

It goes on a step at a time, and each step waits until it was looked at: what is seen does not depend on how fast
anything runs.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory import PYTHONS_3, lines, version

PROGRAM = """\
import sys, threading

def told():
    sys.stdout.write("\\n")
    sys.stdout.flush()
    sys.stdin.readline()

def small(kept):
    text = b"x" * (112 - sys.getsizeof(b""))
    told()
    for step in range(STEPS):
        for i in range(len(kept) // STEPS):
            kept[step * (len(kept) // STEPS) + i] = text[:-1] + b"y"
        told()

def large(kept):
    told()
    for step in range(STEPS):
        kept.append(bytearray(4 << 20))
        told()

def main():
    objects, buffers = [None] * 100000, []
    told()
    small(objects)
    thread = threading.Thread(target=large, args=(buffers,))
    thread.start()
    thread.join()
    told()

STEPS = 10
main()
"""
STEPS, SMALL, LARGE = 10, 100000 * 112, 10 * (4 << 20)


def sleeps(watch):
    """So far: at most two between looks."""
    status = Path(f"/proc/{watch.pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])


def await_looks(watch, more):
    begin, end = sleeps(watch), time.monotonic() + 60
    while sleeps(watch) < begin + 2 * more:
        assert watch.poll() is None and time.monotonic() < end
        time.sleep(0.005)


def await_start(watch):
    """It watches its process by a descriptor before it looks for the first time."""
    end = time.monotonic() + 60
    while not any("pidfd" in str(f.resolve()) for f in Path(f"/proc/{watch.pid}/fd").iterdir()):
        assert watch.poll() is None and time.monotonic() < end
        time.sleep(0.005)


def attach(glim, python, program, *options):
    with subprocess.Popen([python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as target:
        target.stdout.readline()
        watch = subprocess.Popen([glim, "mem", "-p", str(target.pid), *options], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        await_start(watch)
        await_looks(watch, 20)
        for _ in range(2 * STEPS + 3):
            target.stdin.write("\n")
            target.stdin.flush()
            target.stdout.readline()
            await_looks(watch, 8)
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=60)
        assert watch.returncode == 0, err
        target.stdin.write("\n")
    return out, err


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def line_number(text):
    return next(i for i, line in enumerate(PROGRAM.splitlines(), 1) if text in line)


@pytest.mark.parametrize("python", PYTHONS_3, ids=version)
def test_allocated_bytes_and_the_lines_they_grew_under(glim, program, python):
    out, err = attach(glim, python, program, "--json", "--allocated")
    (process,) = json.loads(out)["processes"]
    grown = lines(process)
    assert process["measure"] == "allocated" and process["python"] == ".".join(version(python).split(".")[:2])
    assert grown["main", line_number("    small(objects)")]["increment"] == pytest.approx(SMALL, rel=0.1)
    assert abs(grown["main", line_number("thread.join()")]["increment"]) < SMALL // 10
    seen = [b for b in process["timeline"]["allocated"] if b is not None]
    assert seen[-1] - seen[0] == pytest.approx(SMALL, rel=0.02)
    assert any("512 bytes" in r for r in process["remarks"]) and any("sampled" in r for r in process["remarks"])


def test_resident_memory_belongs_to_the_thread_that_touched_it(glim, program, tmp_path):
    page, plot = tmp_path / "page.html", tmp_path / "plot.svg"
    out, err = attach(glim, sys.executable, program, "--json", "--html", page, "--plot", plot)
    (process,) = json.loads(out)["processes"]
    grown = lines(process)
    assert sum(line["increment"] for (f, _), line in grown.items() if f == "large") == pytest.approx(LARGE, rel=0.05)
    assert grown["main", line_number("    small(objects)")]["increment"] == pytest.approx(SMALL, rel=0.1)
    stacks = process["growth"]["stacks"]
    assert sum(s["bytes"] for s in stacks if "large" in [f["function"] for f in s["stack"]]) == pytest.approx(LARGE, rel=0.05)
    assert process["peak"]["function"] in ("told", "large", "main")
    assert "kept.append(bytearray" in page.read_text() and "<svg" in plot.read_text()


BURSTS = """\
import time
kept = []
def load():
    rows = [(k, str(k) * 3, float(k)) for k in range(3000)]
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    return rows
print(flush=True)
while True:
    kept.append(load())
    time.sleep(0.05)
"""


def test_memory_is_looked_at_when_it_is_taken(glim, tmp_path):
    """Of its own accord it looks about once a second here."""
    path = tmp_path / "bursts.py"
    path.write_text(BURSTS)
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE) as target:
        target.stdout.readline()
        out = subprocess.run([glim, "mem", "-p", str(target.pid), "-F", "1", "-d", "3", "--json"],
                             stdout=subprocess.PIPE, check=True, timeout=60).stdout
        target.kill()
    (process,) = json.loads(out)["processes"]
    stacks = process["growth"]["stacks"]
    loaded = sum(s["bytes"] for s in stacks if "load" in [f["function"] for f in s["stack"]])
    assert process["looks"] > 20 and loaded > 0.8 * sum(s["bytes"] for s in stacks)


def test_the_table(glim, program):
    out, err = attach(glim, sys.executable, program, "-F", "200", "-n", "3")
    head, *rows = [line for line in out.splitlines() if line.strip()]
    assert re.match(r"\d+\.\d+ MiB resident grown", head)
    assert rows[0].split() == ["Size", "%", "Samples", "Line,", "its", "callers"]
    assert "program.py" in rows[1] and "  program.py:" in out
    assert "sampled" in err and "512 bytes" in err


def test_another_program_has_its_resident_memory(glim):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as target:
        call = [glim, "mem", "--json", "-p", str(target.pid), "-d", "0.1"]
        (process,) = json.loads(subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout)["processes"]
        refused = subprocess.run([*call, "--allocated"], stderr=subprocess.PIPE, text=True)
        target.stdin.close()
    assert process["timeline"]["resident"][-1] > 0 and process["timeline"]["allocated"][-1] is None
    assert not process["functions"] and not process["remarks"]
    assert refused.returncode == 1 and "no CPython" in refused.stderr


@pytest.mark.parametrize("options", [["--own"], ["--peak"], ["-F", "0"], ["-F", "x"]], ids=" ".join)
def test_what_is_not_to_be_seen_from_outside(glim, options):
    r = subprocess.run([glim, "mem", "-p", "1", *options], stderr=subprocess.PIPE, text=True)
    assert r.returncode == 2 and "glim mem" in r.stderr
