"""Children of multiprocessing have the names that it gave them: in profiles of both engines, in dumps, in top."""

import gzip
import json
import subprocess
from pathlib import Path

import pprof
import pytest

from dumps import dump

TARGET = Path(__file__).resolve().parents[1] / "targets" / "workers.py"
PYTHONS = sorted(Path.home().glob(".pyenv/versions/[23].*/bin/python"))
ROUNDS = 10


def start(run, python, *ways):
    """(the parent, {pid: name, as it is shown} of its children)"""
    parent = run([python, TARGET, *ways])
    children, count = {}, None
    while count is None or len(children) < count:
        found = parent.wait_line(r"^child (\d+) (.*)|^ready (\d+)")
        if found[3]:
            count = int(found[3])
        else:
            children[int(found[1])] = found[2].replace("\x1b", "\\x1b")
    return parent, children


def ran(glim, *options):
    r = subprocess.run([glim, *map(str, options)], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


def recorded(glim, out, parent, children, *options):
    """{pid: names} of those of the family that work, recorded until all children were seen."""
    seen = {}
    for _ in range(ROUNDS):
        ran(glim, "record", "-o", out, "-f", "pprof", "-d", 1, *options)
        for s in pprof.samples(gzip.decompress(out.read_bytes())):
            if "spin" in s.functions and int(s.labels["pid"]) in (parent.pid, *children):
                seen.setdefault(int(s.labels["pid"]), set()).add(s.labels.get("multiprocessing"))
        if set(seen) >= set(children):
            break
    return seen


@pytest.mark.parametrize("python", PYTHONS, ids=lambda p: p.parts[-3])
def test_in_dumps(glim, run, python):
    parent, children = start(run, python, "fork")
    for pid, name in children.items():
        assert dump(glim, pid)["multiprocessing"].replace("\x1b", "\\x1b") == name
    assert dump(glim, pid)["threads"][0]["name"] == "MainThread"
    assert dump(glim, pid, text=True).startswith('Process %d "%s": ' % (pid, name))
    assert dump(glim, parent.pid)["multiprocessing"] is None


@pytest.mark.parametrize("python", PYTHONS[::3], ids=lambda p: p.parts[-3])
def test_in_profiles(glim, run, tmp_path, python):
    parent, children = start(run, python)
    wanted = {pid: {name} for pid, name in children.items()}
    assert recorded(glim, tmp_path / "all", parent, children, "-a") == wanted
    assert recorded(glim, tmp_path / "one", parent, children, "-p", parent.pid, "--subprocesses") == wanted


def test_in_top(glim, run):
    parent, children = start(run, PYTHONS[-1])
    shown = {}
    for _ in range(ROUNDS):
        text = ran(glim, "top", "-p", parent.pid, "--subprocesses", "-n", 1, "--by", "processes", "--json")
        shown.update((row["pid"], row["process"]) for row in json.loads(text)["rows"])
        if set(shown) >= set(children):
            break
    assert {pid: shown.get(pid, "").partition(" ")[2] for pid in children} == {
        pid: "(%s)" % name for pid, name in children.items()}
