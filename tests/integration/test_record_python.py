"""glim record -p: a live Python process, read from outside."""

import glob
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = Path(__file__).resolve().parents[1] / "targets"
PYTHONS = sorted(
    p
    for p in glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))
    if 8 <= int(re.search(r"/3\.(\d+)", p)[1]) <= 13
)
LINE = re.compile(r"(.*) (\d+)")
# As nobody, who may do nothing that not everybody may.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]


def record(glim, pid, *options, prefix=()):
    r = subprocess.run(
        [*prefix, glim, "record", "-p", str(pid), "-f", "folded", "-o", "-", *map(str, options)],
        capture_output=True, text=True, timeout=60,
    )
    assert r.returncode == 0, r.stderr
    return [(s.split(";"), int(n)) for s, n in LINE.findall(r.stdout)]


def names(stack):
    """Functions, root first, without the process."""
    return [re.sub(r" \(.*", "", f) for f in stack[1:]]


def start(run, target, python=sys.executable, prefix=()):
    p = run([*prefix, python, "-B", TARGETS / target])
    p.wait_line("ready")
    return p


@pytest.mark.parametrize("python", PYTHONS)
def test_no_stack_that_never_was(glim, run, python):
    p = start(run, "flutter.py", python)
    stacks = record(glim, p.pid, "-d", 2, "-F", 2000)
    total = sum(n for _, n in stacks)
    mixed = {"hot_a", "leaf_b"}, {"hot_b", "leaf_a"}, {"hot_a", "hot_b"}, {"leaf_a", "leaf_b"}
    impossible = sum(n for s, n in stacks if any(m <= set(names(s)) for m in mixed))
    cut = sum(n for s, n in stacks if any("cut:" in f for f in s))
    assert total > 100  # ticks are merged on a busy machine
    assert impossible <= total / 1000 and cut <= total / 200
    whole = [n for s, n in stacks if names(s)[:2] == ["<module>", "work"]]
    assert sum(whole) >= 0.97 * total


def test_shares(glim, run):
    p = start(run, "shares.py")
    stacks = record(glim, p.pid, "-d", 3, "-F", 500)
    total = sum(n for _, n in stacks)
    for name, share in ("seventy", 0.7), ("twenty", 0.2), ("ten", 0.1):
        assert sum(n for s, n in stacks if name in names(s)) / total == pytest.approx(share, abs=0.1)


def test_without_privileges(glim, run):
    p = start(run, "shares.py", "/usr/bin/python3", prefix=NOBODY)
    stacks = record(glim, p.pid, "-d", 1, prefix=NOBODY)
    assert sum(n for s, n in stacks if "seventy" in names(s)) > 10


def test_threads_that_wait(glim, run, tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(
        "import threading\n"
        "def waits(): threading.Event().wait()\n"
        "threading.Thread(target=waits, daemon=True).start()\n"
        "def works():\n"
        "    print('ready', flush=True)\n"
        "    while True: pass\n"
        "works()\n"
    )
    p = run([sys.executable, script])
    p.wait_line("ready")
    cpu = record(glim, p.pid, "-d", 1, "--mode", "cpu")
    wall = record(glim, p.pid, "-d", 1, "--mode", "wall")
    assert all("waits" not in names(s) for s, _ in cpu)
    waits = sum(n for s, n in wall if "waits" in names(s))
    works = sum(n for s, n in wall if "works" in names(s))
    assert waits > 20 and waits == pytest.approx(works, abs=2)


def test_the_end_of_the_process_ends_it(glim, run, tmp_path):
    script = tmp_path / "short.py"
    script.write_text("print('ready', flush=True)\ninput()\n")
    p = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert p.stdout.readline() == "ready\n"
    r = run([glim, "record", "-p", p.pid, "-o", tmp_path / "out.folded"])
    r.wait_line("Ctrl-C ends")
    p.communicate("\n")
    assert r.wait() == 0
    assert (tmp_path / "out.folded").exists()


@pytest.mark.parametrize(
    "pid, words", [("4194303", "4194303"), (None, "runs no Python")]
)
def test_who_cannot_be_recorded(glim, run, pid, words):
    other = run(["/bin/sleep", "1000"])
    r = subprocess.run(
        [glim, "record", "-p", pid or str(other.pid), "-f", "folded", "-o", "-"],
        capture_output=True, text=True, timeout=30,
    )
    assert r.returncode == 1 and words in r.stderr and len(r.stderr.splitlines()) == 1
