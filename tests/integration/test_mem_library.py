"""What the library of glim mem sees in every interpreter, and that the program does not notice it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from memory import FETCHED, PYTHONS, PYTHONS_3, lines, mem, processes, script, version

LINES = ROOT / "tests" / "targets" / "memory_lines.py"
KIB = 1024


def expected():
    """line -> (bytes of its own, occurrences), out of the marks of the program."""
    marks = {}
    for number, text in enumerate(LINES.read_text().splitlines(), 1):
        found = re.search(r"#: (-?\d+), (\d+)$", text)
        if found:
            marks[number] = int(found[1]) * KIB, int(found[2])
    assert len(marks) > 15
    return marks


@pytest.mark.parametrize("python", PYTHONS, ids=version)
def test_resident_memory_of_lines(glim, python):
    (process,) = processes(mem(glim, "--python", python, LINES))
    assert process["python"] == version(python).rsplit(".", 1)[0]
    assert process["measure"] == "resident"
    seen = {number: line for (function, number), line in lines(process).items()
            if function != "<module>"}
    for number, (own, occurrences) in expected().items():
        # Up to 2.7 the loop of a list goes around as any other.
        if not (python.parts[-3].startswith("2.") and "for i in range(3)]" in
                LINES.read_text().splitlines()[number - 1]):
            assert seen[number]["occurrences"] == occurrences, number
        slack = max(64 * KIB, abs(own) / 100)
        assert abs(seen[number]["own"] - own) <= slack, (number, seen[number])
    call = next(n for n, t in enumerate(LINES.read_text().splitlines(), 1) if "recursive(3)" in t)
    again = next(n for n, t in enumerate(LINES.read_text().splitlines(), 1) if "recursive(n -" in t)
    # With what it calls; and what recursion adds counts once, not at each depth again.
    assert abs(seen[call]["increment"] - 4096 * KIB) <= 64 * KIB
    assert abs(seen[again]["increment"] - 3072 * KIB) <= 64 * KIB


EXACT = """
import sys
kept = [None] * 2

def exact():
    a = bytearray(1000)
    kept[0] = bytes(5000)
    b = bytearray(1 << 20)
    b = None
    kept[1] = bytes(100)
    return a

exact()
print(sys.getsizeof(bytearray(1000)), sys.getsizeof(bytes(5000)), sys.getsizeof(bytes(100)), file=sys.stderr)
""" + 300 * "\n" + """
def far():
    c = bytearray(1 << 20)
    c = bytearray(1 << 20)
    c = None
    return c

far()
"""


@pytest.mark.parametrize("python", PYTHONS_3 + FETCHED, ids=version)
def test_allocated_bytes_are_exact(glim, python, tmp_path):
    r = mem(glim, "--allocated", "--python", python, script(tmp_path, EXACT))
    array, large, small = map(int, re.search(r"(\d+) (\d+) (\d+)", r.stderr).groups())
    (process,) = processes(r)
    seen = lines(process)
    assert process["measure"] == "allocated"
    assert seen["exact", 6]["own"] == array
    assert seen["exact", 7]["own"] == large
    head = seen["exact", 8]["own"] - (1 << 20)
    assert 0 < head < 100
    assert seen["exact", 9]["own"] == -seen["exact", 8]["own"]
    assert seen["exact", 8]["peak"] == seen["exact", 8]["own"]
    assert seen["exact", 10]["own"] == small
    # The number of a line is an int that some interpreters make for the event.
    first = next(number for (function, number) in seen if function == "far")
    assert first > 256
    sizes = [(seen["far", first + i]["own"], seen["far", first + i]["peak"]) for i in range(4)]
    block = sizes[0][1]
    assert block == seen["exact", 8]["own"]
    assert sizes == [(block, block), (0, block), (-block, 0), (0, 0)]


PASSING = """
import _thread, subprocess, sys

def passing(n):
    len(bytearray(n << 20))
    kept = bytearray(8 << 20)
    len(bytearray(n << 20))
    kept = None
    return n

def other():
    [bytearray(24 << 20), ready.release(), go.acquire()] and None
    over.release()

def main():
    ready.acquire()
    passing(4)
    go.release()
    over.acquire()
    passing(40)
    kept = bytearray(100 << 20)
    return subprocess.call([sys.executable, __file__, "32"])

if sys.argv[1:]:
    passing(int(sys.argv[1]))
else:
    ready, go, over = (_thread.allocate_lock() for i in range(3))
    for lock in ready, go, over:
        lock.acquire()
    _thread.start_new_thread(other, ())
    main()
"""


@pytest.mark.parametrize("python", [PYTHONS_3[0], PYTHONS_3[3]], ids=version)
def test_the_peak_within_a_call(glim, python, tmp_path):
    """Of resident memory; also when a second thread looks meanwhile, and in a child of a larger parent."""
    first, *others = processes(mem(glim, "--peak-in-line", "--python", python, script(tmp_path, PASSING)))

    (second,) = (p for p in others if p["command"].endswith(" 32"))

    def near(line, mib):
        return abs(line["peak"] - (mib << 20)) <= 512 * KIB

    seen, child = lines(first), lines(second)
    assert near(seen["passing", 5], 40) and near(seen["passing", 7], 40), seen
    assert near(seen["passing", 6], 8) and near(seen["passing", 8], 0)
    assert seen["main", 20]["peak"] >= 40 << 20 > seen["main", 20]["increment"]
    assert seen["other", 12]["peak"] >= (24 << 20) - 512 * KIB
    assert near(child["passing", 5], 32) and near(child["passing", 7], 32) and near(child["passing", 6], 8)
    assert not first["remarks"] and not second["remarks"]


HOLDERS = """
kept = []

def leaf(n):
    return bytearray(n)

def leaks():
    for i in range(10):
        kept.append(leaf(100000))

def passes():
    x = [leaf(1000000) for i in range(5)]
    y = leaf(3000000)

leaks()
passes()
leaks()
"""


def stacks(process, which):
    """The functions, innermost first, with bytes and blocks."""
    found = {}
    for s in process[which]["stacks"]:
        path = tuple(f["function"] for f in s["stack"])
        bytes_, blocks = found.get(path, (0, 0))
        found[path] = bytes_ + s["bytes"], blocks + s["blocks"]
    return found


@pytest.mark.parametrize("python", PYTHONS_3 + FETCHED, ids=version)
def test_holders_at_the_peak_and_leaks(glim, python, tmp_path):
    path = script(tmp_path, HOLDERS)
    r = mem(glim, "--peak", "--leaks", "--python", python, path)
    (process,) = processes(r)

    def sums(which):
        found = {}
        for stack, (size, _) in stacks(process, which).items():
            names = [n for n in stack if n in ("leaks", "passes")]
            if "leaf" in stack and names:
                found[names[0]] = found.get(names[0], 0) + size
        return found

    peak, leaks = sums("at_peak"), sums("leaks")
    assert 0 <= peak["leaks"] - 1000000 < 3000
    assert 0 <= peak["passes"] - 8000000 < 3000
    assert 0 <= leaks["leaks"] - 2000000 < 6000
    assert "passes" not in leaks


UNWOUND = """
import threading
kept = []

def leaf(n):
    kept.append(bytearray(n))

def draws():
    try:
        yield leaf(10000)
    except ValueError:
        leaf(20000)
    yield

def boom(n):
    if n:
        boom(n - 1)
    raise ValueError

def thrower():
    g = draws()
    next(g)
    g.throw(ValueError())
    leaf(30000)
    g.close()
    leaf(40000)

def catches():
    try:
        boom(10)
    except ValueError:
        leaf(50000)

thrower()
catches()
thread = threading.Thread(target=catches)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("python", PYTHONS_3 + FETCHED, ids=version)
def test_stacks_after_exceptions_generators_and_in_threads(glim, python, tmp_path):
    (process,) = processes(mem(glim, "--leaks", "--python", python, script(tmp_path, UNWOUND)))
    names = ("draws", "boom", "thrower", "catches", "leaf", "run")
    found = {}
    for stack, (size, _) in stacks(process, "leaks").items():
        path = tuple(name for name in [name.split(".")[-1] for name in reversed(stack)] if name in names)
        if path[-1:] == ("leaf",):
            found[path] = found.get(path, 0) + size // 10000 * 10000
    assert found == {("thrower", "draws", "leaf"): 30000, ("thrower", "leaf"): 70000, ("catches", "leaf"): 50000,
                     ("run", "catches", "leaf"): 50000}


CHILDREN = """
import multiprocessing, os, subprocess, sys
kept = []

def child(mib):
    kept.append(bytearray(mib << 20))

def parent():
    pid = os.fork()
    if not pid:
        child(3)
        os._exit(3)
    os.waitpid(pid, 0)
    for way, mib in (("fork", 4), ("spawn", 5)):
        p = multiprocessing.get_context(way).Process(target=child, args=(mib,))
        p.start()
        p.join()
    subprocess.call([sys.executable, __file__, "6"])
    os.execv(sys.executable, [sys.executable, __file__, "7"])

if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]))
        sys.exit(9)
    kept.append(bytearray(20 << 20))
    parent()
"""


@pytest.mark.parametrize("python", [PYTHONS_3[0], PYTHONS_3[-1], *FETCHED[-1:]], ids=version)
def test_children_have_files_of_their_own(glim, python, tmp_path):
    r = mem(glim, "--python", python, script(tmp_path, CHILDREN), expect=9)
    found = processes(r)
    grown = sorted(round(line["own"] / (1 << 20)) for p in found
                   for (function, _), line in lines(p).items() if function == "child")
    assert grown == [3, 4, 5, 6, 7]
    # The one that became another program is there twice, under one pid.
    first = found[0]["pid"]
    assert f"process {first}: it became another program (exec)" in r.stderr
    assert [p["pid"] for p in found].count(first) == 2
    assert all(p["parent"] == first for p in found if p["pid"] != first and "child" in str(p["functions"]))


ENDS = {
    "import os; os._exit(5)": 5,
    "import os; kept = bytearray(5 << 20)\nos.kill(os.getpid(), 9)": 128 + signal.SIGKILL,
    "import sys; sys.exit('bye')": 1,
    "raise ValueError(3)": 1,
    "def f(:": 1,
    "import os; os.chdir('/'); kept = bytearray(1 << 20)": 0,
    "import os; os.close(2); os.closerange(3, 4096); kept = bytearray(1 << 20)": 0,
    "import threading; threading.Thread(target=bytearray, args=(1 << 20,)).start()": 0,
}


@pytest.mark.parametrize("text", ENDS)
def test_the_program_ends_as_it_does_alone(glim, text, tmp_path):
    path = script(tmp_path, text + "\n")
    alone = subprocess.run([sys.executable, path], capture_output=True, text=True)
    r = mem(glim, "--python", sys.executable, path, expect=ENDS[text])
    (process,) = processes(r)
    assert alone.stderr in r.stderr
    assert (process["end"] is None) == (ENDS[text] > 128)
    if "kept" in text:
        line = process["functions"][0]["lines"][0]
        assert line["increment"] >= 1 << 20
        assert line["occurrences"] == 1


def test_the_program_sees_itself_as_ever(glim, tmp_path):
    path = script(tmp_path, "import sys, threading\n"
                  "print(sys.argv, __name__, sys.gettrace(), threading.active_count(), input(), file=sys.stderr)\n")
    r = mem(glim, "--python", sys.executable, path, "-a", "--json", input="hello\n")
    assert f"{[str(path), '-a', '--json']} __main__ None 1 hello" in r.stderr


def test_arguments_behind_a_module_are_its_own(glim):
    r = mem(glim, "--python", sys.executable, "-m", "json.tool", "--help")
    assert "--sort-keys" in r.stdout


def test_a_program_that_traces_itself_is_told(glim, tmp_path):
    path = script(tmp_path, "import sys\nkept = bytearray(2 << 20)\nsys.settrace(lambda *a: None)\n"
                  "more = 1\nsys.settrace(None)\nlast = bytearray(3 << 20)\n")
    r = mem(glim, "--python", sys.executable, path)
    (process,) = processes(r)
    seen = lines(process)
    assert round(seen["<module>", 2]["own"] / (1 << 20)) == 2
    assert round(seen["<module>", 6]["own"] / (1 << 20)) == 3
    assert ("<module>", 4) not in seen
    assert process["remarks"] == ["1 time the program traced itself: lines are missing"]


def test_profile_marks_and_changes_nothing(glim, tmp_path):
    path = script(tmp_path, "class C:\n    @profile\n    def f(self):\n        return 1\n\n"
                  "    @profile\n    @staticmethod\n    def g():\n        return 2\n\nassert C().f() + C.g() == 3\n")
    (process,) = processes(mem(glim, "--python", sys.executable, path))
    assert {f["function"]: f["marked"] for f in process["functions"]} == {
        "C.f": True, "C.g": True}


def test_a_process_that_runs_already(glim):
    """It has 20 MiB before it is watched, and is ended by the last look of ours."""
    text = "import sys; kept = bytearray(20 << 20); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        assert target.stdout.readline() == b"ready\n"
        (process,) = processes(mem(glim, "-p", target.pid, "-d", "0.1"))
        watch = subprocess.Popen([glim, "mem", "--json", "-p", str(target.pid)], stdout=subprocess.PIPE, text=True)
        target.stdin.close()
        out, _ = watch.communicate(timeout=120)
    assert process["pid"] == target.pid
    assert sys.executable in process["command"]
    assert process["functions"] == []
    assert min(process["timeline"]["resident"]) > 20 << 20
    assert process["peak"]["bytes"] == max(process["timeline"]["resident"])
    # It may have ended before the first look.
    assert watch.returncode == 1 or json.loads(out)["processes"][0]["pid"] == target.pid


@pytest.mark.parametrize("arguments", [["-p", "1", "x.py"], ["-p", "1", "--leaks"], ["-d", "1", "x.py"], ["-p", "x"],
                                       ["-p", "1", "-d", "-1"]], ids=" ".join)
def test_what_does_not_go_together(glim, arguments):
    r = subprocess.run([glim, "mem", *arguments], capture_output=True, text=True, timeout=120)
    assert r.returncode in (1, 2)
    assert r.stderr.startswith("glim mem: ")


def test_a_version_that_glim_does_not_know(glim, tmp_path):
    """An interpreter that says of itself that it is of the future; the program runs as ever."""
    source, future = tmp_path / "future.c", tmp_path / "future.so"
    source.write_text('const char *Py_GetVersion(void) { return "3.99.0 (main) [GCC]"; }\n')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", future, source], check=True)
    python = next(p for p in PYTHONS_3 if list((p.parents[1] / "lib").glob("libpython3.*.so.*")))
    r = mem(glim, "--python", python, script(tmp_path, "raise SystemExit(7)\n"), env={"LD_PRELOAD": str(future)}, expect=7)
    assert "its version of Python is not one that Glim knows" in r.stderr


def test_without_python_the_status_is_the_programs(glim):
    r = mem(glim, "--", "sh", "-c", "exit 4", expect=4)
    assert "nothing was measured" in r.stderr
    r = mem(glim, "--", "true")
    assert "nothing was measured" in r.stderr


def test_nothing_is_left(glim, tmp_path):
    path = script(tmp_path, "import os\nprint(os.environ['GLIM_MEMORY'])\n")
    r = subprocess.run([glim, "mem", "--python", sys.executable, path], capture_output=True, text=True,
                       timeout=120, check=True)
    folder = r.stdout.splitlines()[0]
    assert folder.startswith("/")
    assert not os.path.exists(folder)


FAILING = """
import sys
try:
    import _thread
except ImportError:
    import thread as _thread
ended = _thread.allocate_lock()
ended.acquire()

class Task(object):
    def __init__(self, error):
        self.error = error

    def __call__(self):
        try:
            raise self.error
        finally:
            ended.release()

    def __repr__(self):
        return "the task"

def hook(u):
    told.append((u.err_msg, u.object, repr(u.exc_value)))

told = []
for error in ValueError(3), SystemExit(4):
    if len(sys.argv) > 1:
        sys.unraisablehook = hook
    before = _thread._count()
    _thread.start_new_thread(Task(error), ())
    ended.acquire()
    while _thread._count() > before:
        pass
sys.stderr.write("told %r\\n" % told)
"""


@pytest.mark.parametrize("python", PYTHONS, ids=version)
def test_a_thread_that_fails_is_told_as_ever(glim, python, tmp_path):
    path = script(tmp_path, FAILING)
    ways = [[], ["hook"]] if tuple(map(int, version(python).split(".")[:2])) >= (3, 8) else [[]]
    for way in ways:
        alone = subprocess.run([python, path, *way], capture_output=True, text=True, check=True, timeout=60)
        assert "the task" in alone.stderr and "SystemExit" not in alone.stderr
        for option in ([], ["--allocated"], ["--leaks"]) if not way and not version(python).startswith("2.") else ([],):
            assert alone.stderr in mem(glim, *option, "--python", python, path, *way).stderr


def test_a_libc_without_symbol_versions(glim, tmp_path):
    """The library comes into programs of musl, too, and does nothing there without Python."""
    source = tmp_path / "program.c"
    source.write_text("#include <stdlib.h>\nint main(void) { char *p = realloc(malloc(3), 100000); free(p);"
                      " return p && getenv(\"GLIM_MEMORY\") ? 6 : 1; }\n")
    subprocess.run(["musl-gcc", "-o", tmp_path / "program", source], check=True)
    r = mem(glim, "--", tmp_path / "program", expect=6)
    assert "rror" not in r.stderr
