"""glim dump --core: what gcore keeps of a program is what the live program showed."""

import json
import shutil
import subprocess

import pytest

from conftest import ROOT, Process
from dumps import dump, python, run  # noqa: F401

TARGET = ROOT / "tests" / "targets" / "dump.py"
TASKS = ROOT / "tests" / "targets" / "dump_tasks.py"


def stacks(d):
    """What live and dead must have in common."""
    threads = [(t["id"], t["tid"], t["name"], t["main"], t["stack"], t["frames"]) for t in d["threads"]]
    return threads, [(t["name"], t["state"], t["awaited_by"], t["frames"]) for t in d["tasks"]]


def core_of(pid, folder):
    r = subprocess.run(["gcore", "-o", folder / "core", str(pid)], capture_output=True, text=True, timeout=120)
    path = folder / f"core.{pid}"
    assert path.exists(), r.stdout + r.stderr
    return path


def waiting(glim, pid):
    """A dump of a process that does nothing any more: two in a row are the same."""
    before = None
    for _ in range(300):
        now = dump(glim, pid, "--locals", "--source")
        if before and stacks(before) == stacks(now) and not any(t["running"] for t in now["threads"]):
            return now
        before = now
    raise AssertionError(now)


def start(python, script, *args):  # noqa: F811
    p = Process([python, "-B", script, *args], env={"PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"})
    p.wait_line("ready")
    return p


@pytest.mark.parametrize("script", [TARGET, TASKS], ids=["threads", "tasks"])
def test_as_live(glim, python, tmp_path, script):  # noqa: F811
    p = start(python, script)
    try:
        live = waiting(glim, p.pid)
        core = core_of(p.pid, tmp_path)
    finally:
        p.stop(9)
    r = run(glim, "--core", core, "--locals", "--source", "--json")
    assert r.returncode == 0, r.stderr
    dead = json.loads(r.stdout)
    assert stacks(dead) == stacks(live)
    assert (dead["pid"], dead["python"], dead["program"]) == (live["pid"], live["python"], live["program"])
    core.unlink()


@pytest.fixture
def moved(tmp_path):
    """A core of a program that lay in a folder of its own."""
    program = tmp_path / "a-python"
    shutil.copy("/usr/bin/python3", program, follow_symlinks=True)
    p = start(program, TARGET)
    core = core_of(p.pid, tmp_path)
    p.stop(9)
    return program, core


def test_a_program_that_was_moved(glim, moved, tmp_path):
    program, core = moved
    r = run(glim, "--core", core)
    assert r.returncode == 0 and '"waiter"' in r.stdout
    elsewhere = tmp_path / "elsewhere"
    program.rename(elsewhere)
    r = run(glim, "--core", core)
    assert r.returncode == 1 and "a-python is missing" in r.stderr and "--exe" in r.stderr
    r = run(glim, "--core", core, "--exe", elsewhere)
    assert r.returncode == 0 and '"waiter"' in r.stdout
    # Another program of the same name is not read.
    shutil.copy("/bin/cat", program)
    r = run(glim, "--core", core)
    assert r.returncode == 1 and "a-python is missing, or is another" in r.stderr


def test_cores_that_are_none(glim, moved, tmp_path):
    _, core = moved
    size = core.stat().st_size
    for keep in (size // 2, 4096, 100, 64, 10, 0):
        with open(core, "r+b") as f:
            f.truncate(keep)
        r = run(glim, "--core", core)
        assert r.returncode == 1 and r.stdout == "" and r.stderr.startswith("glim dump: "), keep
    for path, text in (("/bin/cat", "is no core file"), (tmp_path, "No such device"), (tmp_path / "x", "No such file")):
        r = run(glim, "--core", path)
        assert r.returncode == 1 and text in r.stderr
    assert run(glim, "--core", "/bin/cat", "-p", "1").returncode == 2
    assert run(glim, "-p", "1", "--exe", "/bin/cat").returncode == 2
