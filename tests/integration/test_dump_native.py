"""glim dump --native: native functions between those of Python, and of programs without it."""

import json
import re
import subprocess
import sys

import pytest

from dumps import dump, run as run_dump
from test_dump_core import core_of
from test_record_native import NOBODY, PYTHONS, TRACES, compile_c, start


def is_python(frame):
    return not frame["native"]


def thread_of(d, name):
    return next(t for t in d["threads"] if t["name"] == name)


def functions(frames):
    return [f["function"] for f in frames]


def between(frames, inner, outer):
    """The frames between two functions of Python, innermost first; None where they are not there."""
    python = [f["function"].split(".")[-1] if is_python(f) else None for f in frames]
    if inner not in python or outer not in python:
        return None
    return frames[python.index(inner) + 1:python.index(outer)]


@pytest.mark.parametrize("python", PYTHONS)
def test_c_between_python(glim, run, python):
    p = start(run, "mixed.py", python)
    seen = set()
    for _ in range(300):
        d = dump(glim, p.pid, "--native")
        main, waiter = (thread_of(d, name) for name in ("MainThread", "waiter"))
        assert main["stack"] == main["native_stack"] == waiter["stack"] == waiter["native_stack"] == "complete"
        assert main["frames"][-1]["function"] == "_start"
        for inner, outer in ("key", "by_sort"), ("replace", "sub"):
            frames = between(main["frames"], inner, outer)
            if frames is not None:
                assert frames and not any(map(is_python, frames)), functions(main["frames"])
                seen.add(inner)
        if "deflate" in functions(main["frames"]):
            at = functions(main["frames"]).index("by_zlib")
            assert at and not any(map(is_python, main["frames"][:at]))
            seen.add("deflate")
        names = functions(waiter["frames"])
        assert "waiter" in names and not is_python(waiter["frames"][0])
        assert not is_python(waiter["frames"][-1]) and waiter["activity"].startswith("waits in futex")
        if len(seen) == 3:
            return
    raise AssertionError(seen)


def test_text_and_locals(glim, run):
    p = start(run, "mixed.py")
    for _ in range(200):
        text = dump(glim, p.pid, "--native", "--locals", text=True)
        if "deflate" in text:
            break
    # The C function stands above the Python function that called it; variables below theirs.
    assert re.search(r"^    deflate\w* \(.*\)\n(    .*\n)*    by_zlib \(.*mixed\.py:\d+\)\n(        .*\n)*    turn \(", text, re.M), text
    assert re.search(r"^    waiter \(.*mixed\.py:\d+\)\n        Arguments:\n            event: <Event at", text, re.M), text


def test_without_any_privilege(glim, run):
    p = start(run, "mixed.py", "/usr/bin/python3", prefix=NOBODY)
    r = subprocess.run([*NOBODY, glim, "dump", "-p", str(p.pid), "--native"], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0 and "_start (" in r.stdout and "turn (" in r.stdout, r.stdout + r.stderr


def waiting(tmp_path):
    p = subprocess.Popen([compile_c(tmp_path, "waits.c", "-g")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    return p


WAYS = {"in_epoll", "in_signal", "in_recv", "in_poll", "in_sleep"}


def check_waits(d):
    """The ways that threads wait in just now: each turns to work for a moment."""
    assert d["python"] is None and len(d["threads"]) == 6 and not d["deadlocks"]
    assert d["threads"][0]["main"] and "main" in functions(d["threads"][0]["frames"])
    seen = set()
    for t in d["threads"]:
        assert t["native_stack"] == "complete" and t["stack"] == "none" and t["gil" if "gil" in t else "lock"] is None
        assert t["frames"][-1]["function"] in ("_start", "clone", "__clone", "clone3", "__clone3"), t
        seen |= WAYS & set(functions(t["frames"]))
        for f in t["frames"]:
            if f["function"] in WAYS:
                assert f["file"].endswith("waits.c") and f["line"] > 0
    return seen


def test_a_program_without_python_and_its_calls(glim, tmp_path):
    """All threads are seen where they are, and none of their calls ends early for it."""
    p, seen = waiting(tmp_path), set()
    for i in range(500):
        seen |= check_waits(dump(glim, p.pid, "--native"))
        if seen == WAYS and i > 50:
            break
    assert seen == WAYS
    said, _ = p.communicate()
    assert re.search(r"\d+ turns, 0 early", said), said


def test_a_core_file(glim, tmp_path):
    p = waiting(tmp_path)
    core = core_of(p.pid, tmp_path)
    p.communicate()
    r = run_dump(glim, "--core", core, "--native", "--json")
    assert r.returncode == 0, r.stderr
    assert len(check_waits(json.loads(r.stdout))) >= 3


def test_who_is_traced(glim, run):
    p = start(run, "mixed.py")
    with subprocess.Popen([sys.executable, "-c", TRACES % p.pid], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout.readline() == b"ready\n"
        r = run_dump(glim, "-p", p.pid, "--native")
        plain = run_dump(glim, "-p", p.pid)
        tracer.communicate()
    assert r.returncode == 1 and f"({tracer.pid})" in r.stderr and "leave --native away" in r.stderr, r.stderr
    assert plain.returncode == 0 and "turn (" in plain.stdout


def test_a_shell(glim, run):
    p = run(["/bin/sh", "-c", "echo ready; while :; do :; done"])
    p.wait_line("ready")
    r = run_dump(glim, "-p", p.pid)
    assert r.returncode == 1 and "--native shows functions of any program" in r.stderr
    assert "(no Python frames)" not in dump(glim, p.pid, "--native", text=True)
