"""glim dump: real programs of known stacks, under every interpreter at hand."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, Process
from dumps import dump, python, run, target  # noqa: F401

TARGET = ROOT / "tests" / "targets" / "dump.py"
NOBODY = 65534


def marks():
    lines = {}
    for number, line in enumerate(TARGET.read_text().splitlines(), 1):
        for name in (line.split("# MARK ")[1:] or [""])[0].split():
            lines[name] = number
    return lines


MARK = marks()


def settled(glim, pid, good, *options):
    """Dump until threads that were started a moment ago are where they will stay."""
    for _ in range(200):
        d = dump(glim, pid, *options)
        threads = {t["name"]: t for t in d["threads"]}
        if good(threads):
            return d, threads
    raise AssertionError(json.dumps(d, indent=1))


def are_waiting(threads):
    return {"waiter", "reader", "größe \x1b[31m"} <= threads.keys() and all(
        threads[n]["activity"].startswith("waits in") for n in threads if n not in ("MainThread", "burner")
    ) and leaf(threads["reader"])[1] == MARK["read"] and named(threads["MainThread"], "<module>")["line"] in (
        MARK["main"], MARK["main_wait"])


def leaf(thread):
    return thread["frames"][0]["function"].split(".")[-1], thread["frames"][0]["line"]


def named(thread, function):
    return next(f for f in thread["frames"] if f["function"].split(".")[-1] == function)


def test_waiting_threads(glim, target):
    p = target(TARGET)
    d, threads = settled(glim, p.pid, lambda t: are_waiting(t) and t["MainThread"]["activity"] == "waits in futex"
                         and leaf(t["MainThread"])[0] == "wait")
    assert d["pid"] == p.pid and d["command"].endswith("tests/targets/dump.py")
    assert re.fullmatch(r"3\.\d+(\.\d+)?", d["python"])
    assert [t["name"] for t in d["threads"]] == ["MainThread", "waiter", "reader", "größe \x1b[31m"]
    assert leaf(threads["reader"]) == ("read", MARK["read"])
    assert re.fullmatch(r"waits in read, fd \d+ \(pipe\)", threads["reader"]["activity"])
    assert leaf(threads["größe \x1b[31m"]) == ("größe", MARK["lock"])
    assert named(threads["waiter"], "wait")["file"].endswith("threading.py")
    waiting = [f for f in threads["waiter"]["frames"] if f["file"].endswith("dump.py")]
    assert [(f["function"], f["line"]) for f in waiting] == [("wait", MARK["wait"])]
    if "column" in waiting[0]:  # from 3.11 on
        line = (TARGET.read_text().splitlines()[MARK["wait"] - 1]).encode()
        assert line[waiting[0]["column"]:waiting[0]["end_column"]] == b"event.wait()"
    main = threads["MainThread"]["frames"]
    assert (main[-1]["function"], main[-1]["line"]) == ("<module>", MARK["main_wait"])
    for t in d["threads"]:
        assert t["stack"] == "complete" and t["gil"] is None and not t["running"]
        assert t["main"] == (t["name"] == "MainThread") == (t["tid"] == p.pid)


def test_who_has_the_gil(glim, target):
    p = target(TARGET, "burn")
    settled(glim, p.pid, are_waiting)
    seen = set()
    for _ in range(100):
        d = dump(glim, p.pid)
        threads = {t["name"]: t for t in d["threads"]}
        gil = [(t["name"], t["gil"]) for t in d["threads"] if t["gil"]]
        assert [g for n, g in gil].count("held") <= 1
        assert {n for n, g in gil} <= {"MainThread", "burner"}
        seen.update(gil)
        if len(seen) >= 4:
            break
    assert {("MainThread", "held"), ("burner", "held"), ("MainThread", "waiting"), ("burner", "waiting")} <= seen
    assert named(threads["burner"], "burn")["line"] in (MARK["burn"] - 1, MARK["burn"])
    assert named(threads["MainThread"], "<module>")["line"] == MARK["main"]


def test_locals(glim, target):
    p = target(TARGET, "burn")
    d, threads = settled(glim, p.pid, are_waiting, "--locals", "--source")
    frame = next(f for f in threads["waiter"]["frames"] if f["file"].endswith("dump.py"))
    values = {v["name"]: (v["kind"], v["value"]) for v in frame["locals"]}
    assert re.fullmatch(r"<Event at 0x[0-9a-f]+>", values.pop("event")[1])
    assert values == {
        "args": ("argument", "(1, 'two')"),
        "kwargs": ("argument", "{'three': 3}"),
        "text": ("local", '"it\'s \\x1b[31m"'),
        "number": ("local", "12.5"),
    }
    assert frame["source"] == "event.wait()  # MARK wait" and not frame["source_changed"]
    burning = {v["name"]: (v["kind"], v["value"]) for v in named(threads["burner"], "burn")["locals"]}
    assert burning["n"] == ("argument", "7") and burning["password"] == ("argument", "<hidden>")
    assert burning["data"] == ("shared", "{'a': [1, 2], 'token': <hidden>, 'n': 7}")
    assert burning["look"] == ("local", burning["look"][1]) and "look" in burning["look"][1]
    assert int(burning["count"][1]) > 0
    d = dump(glim, p.pid, "--locals", "--show-secrets")
    burner = next(t for t in d["threads"] if t["name"] == "burner")
    burning = {v["name"]: v["value"] for v in named(burner, "burn")["locals"]}
    assert burning["password"] == "'hunter2'" and "'token': 'abc'" in burning["data"]


def test_text(glim, target):
    p = target(TARGET)
    settled(glim, p.pid, are_waiting)
    r = run(glim, "-p", p.pid, "--locals", "--source")
    assert r.returncode == 0 and r.stderr == "" and "\x1b" not in r.stdout
    assert f"Process {p.pid}: " in r.stdout and "\nPython 3." in r.stdout
    assert re.search(r'^Thread \d+ "reader": waits in read, fd \d+ \(pipe\)$', r.stdout, re.M)
    assert re.search(r'^Thread \d+ "größe \\x1b\[31m": waits for <lock at 0x[0-9a-f]+>$', r.stdout, re.M)
    assert re.search(rf"^    read \(.*dump.py:{MARK['read']}\)$\n        os.read\(fd, 1\)  # MARK read$", r.stdout, re.M)
    assert "        Arguments:\n            fd: " in r.stdout


def as_nobody(*argv):
    return subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *map(str, argv)],
                          capture_output=True, text=True, timeout=120, cwd="/")


@pytest.fixture
def open_glim(glim):
    """The program where everybody may run it."""
    folder = Path("/tmp") / f"glim-dump-{os.getpid()}"
    folder.mkdir()
    program = folder / "glim"
    program.write_bytes(Path(glim).read_bytes())
    program.chmod(0o755)
    yield program
    program.unlink()
    folder.rmdir()


def test_without_root(open_glim):
    """One's own process needs no root; another's is refused, with what helps."""
    script = open_glim.parent / "target.py"
    script.write_text(TARGET.read_text())
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-B", script]
    own, other = Process(argv, cwd="/"), Process(["/usr/bin/python3", "-B", script])
    try:
        for p in (own, other):
            p.wait_line("ready")
        for _ in range(200):
            r = as_nobody(open_glim, "dump", "-p", own.pid)
            assert r.returncode == 0, r.stderr
            if f"target.py:{MARK['main_wait']})" in r.stdout:
                break
        assert '"waiter"' in r.stdout and f"target.py:{MARK['main_wait']})" in r.stdout
        r = as_nobody(open_glim, "dump", "-p", other.pid)
        assert r.returncode == 1 and r.stdout == ""
        assert f"sudo glim dump -p {other.pid}" in r.stderr
    finally:
        own.stop(9)
        other.stop(9)
        script.unlink()


@pytest.mark.parametrize("argv, status, text", [
    ([], 2, "which process"),
    (["-p", "x"], 2, "number of a process"),
    (["-p", "2147483647"], 1, "there is no process 2147483647"),
    (["-p", "1", "2"], 2, '"2"'),
])
def test_wrong_usage(glim, argv, status, text):
    r = run(glim, *argv)
    assert r.returncode == status and text in r.stderr and r.stdout == ""


def test_not_python(glim):
    p = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(b"x")
    p.stdin.flush()
    p.stdout.read(1)  # it is loaded
    r = run(glim, "-p", p.pid)
    p.communicate()
    assert r.returncode == 1 and "runs no Python" in r.stderr and str(p.pid) in r.stderr


def test_a_dying_target(glim):
    """Whenever it ends while it is read, the answer is a dump or a reason."""
    for _ in range(20):
        p = Process(["/usr/bin/python3", "-B", TARGET, "burn"])
        p.wait_line("ready")
        dumping = subprocess.Popen([glim, "dump", "-p", str(p.pid), "--locals"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        p.stop(9)
        out, err = dumping.communicate(timeout=120)
        assert (dumping.returncode, bool(out), bool(err)) in ((0, True, False), (1, False, True)), (out, err)


def test_deadlocks(glim, target):
    p = target(ROOT / "tests" / "targets" / "dump_locks.py")
    for _ in range(200):
        d = dump(glim, p.pid)
        if d["deadlocks"] and sum(t["lock"] is not None for t in d["threads"]) == 6:
            break
    names = {t["id"]: t["name"] for t in d["threads"]}
    locks = {t["name"]: (t["lock"]["kind"], names.get(t["lock"]["owner"])) for t in d["threads"]}
    assert locks == {
        "MainThread": ("lock", None),
        "circle-0": ("RLock", "circle-1"),
        "circle-1": ("RLock", "circle-2"),
        "circle-2": ("RLock", "circle-0"),
        "outside": ("RLock", "circle-0"),
        "plain": ("lock", None),
    }
    assert [[names[i] for i in c] for c in d["deadlocks"]] == [["circle-0", "circle-1", "circle-2"]]
    text = dump(glim, p.pid, text=True)
    assert "\nDeadlock: these threads wait for each other\n    thread " in text
    assert re.search(r'^Thread \d+ "outside": waits for <RLock at 0x[0-9a-f]+> held by thread \d+ "circle-0"$', text, re.M)


def test_from_outside_a_container(glim):
    """In a pid namespace of its own a process calls its threads by other numbers than we do."""
    p = Process(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-B", TARGET])
    try:
        p.wait_line("ready")
        pid = int(Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text())
        d, threads = settled(glim, pid, are_waiting)
        assert {t["tid"] for t in d["threads"]} == {int(t.name) for t in Path(f"/proc/{pid}/task").iterdir()}
        assert [t["name"] for t in d["threads"] if t["main"]] == ["MainThread"]
        assert threads["MainThread"]["tid"] == pid
        assert threads["reader"]["activity"].startswith("waits in read")
    finally:
        p.stop(9)


@pytest.mark.parametrize("python", [*Path.home().glob(".pyenv/versions/2.7.*/bin/python")], ids=lambda p: p.parts[-3])
def test_stacks_without_objects(glim, target):  # noqa: F811
    p = target(ROOT / "tests" / "targets" / "methods.py")
    r = run(glim, "-p", p.pid, "--source")
    assert r.returncode == 0 and "Python 2.7 (" in r.stdout and "    <module> (" in r.stdout
    r = run(glim, "-p", p.pid, "--locals")
    assert r.returncode == 1
    assert r.stderr == "glim dump: it runs Python 2.7, whose variables glim cannot read: leave --locals away\n"
