"""Qualified names of Python functions, in all versions: glim record -p and -a, glim dump."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from dumps import dump

TARGET = Path(__file__).resolve().parents[1] / "targets" / "methods.py"
PYTHONS = {path.parts[-3]: path for path in sorted(Path.home().glob(".pyenv/versions/[23].*/bin/python"))}
# Which function called spin(), and which called that.
CALLERS = {
    "Base.run": "main", "Derived.run": "main", "Base.step": "decorated.<locals>.wrapper", "Derived.make": "main",
    "Old.run": "main", "outer.<locals>.run": "main",
}
LINE = re.compile(r"^([^;]*);(.*) (\d+)$", re.M)


def callers(text, process=None):
    """{caller of spin: its caller} of folded stacks."""
    found = {}
    for name, stack, _ in LINE.findall(text):
        frames = [re.sub(r" \(.*", "", f) for f in stack.split(";") if ".py:" in f]
        if process in (None, name) and "spin" in frames[2:]:
            at = frames.index("spin")
            found[frames[at - 1]] = frames[at - 2]
    return found


def record(glim, *options):
    r = subprocess.run([glim, "record", "-f", "folded", "-o", "-", *map(str, options)], capture_output=True, text=True,
                       timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


@pytest.mark.parametrize("name", PYTHONS)
def test_read_from_outside(glim, run, name):
    p = run([PYTHONS[name], "-B", TARGET])
    p.wait_line("ready")
    seen = {}
    for _ in range(10):
        seen.update(callers(record(glim, "-p", p.pid, "-d", 1, "-F", 300)))
        if len(seen) >= len(CALLERS):
            break
    assert seen == CALLERS


def test_by_the_kernel(glim, run, tmp_path):
    names = {}
    for name, path in PYTHONS.items():
        link = tmp_path / ("q%s-%03x" % (name, os.getpid() % 4096))
        link.symlink_to(path.resolve())
        names[name] = link.name
        run([link, "-B", TARGET]).wait_line("ready")
    seen = {name: {} for name in names}
    for _ in range(10):
        text = record(glim, "-a", "-d", 4, "-F", 499)
        for name, comm in names.items():
            seen[name].update(callers(text, comm))
        if all(len(found) >= len(CALLERS) for found in seen.values()):
            break
    assert seen == {name: CALLERS for name in names}


@pytest.mark.parametrize("name", PYTHONS)
def test_a_dump(glim, run, name):
    p = run([PYTHONS[name], "-B", TARGET])
    p.wait_line("ready")
    for _ in range(1000):  # it is there in every sixth
        frames = [f["function"] for f in dump(glim, p.pid)["threads"][0]["frames"]]
        if "Derived.run" in frames:
            break
    assert frames[frames.index("Derived.run"):] == ["Derived.run", "main", "<module>"]
