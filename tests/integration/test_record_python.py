"""glim record -p: a live Python process, read from outside."""

import glob
import gzip
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pprof
import pytest

from dumps import fetched

TARGETS = Path(__file__).resolve().parents[1] / "targets"
PYTHONS = sorted(
    p
    for p in glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))
    if 8 <= int(re.search(r"/3\.(\d+)", p)[1]) <= 13
)
LINE = re.compile(r"(.*) (\d+)")
# As nobody, who may do nothing that not everybody may.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]


def record_and_count(glim, pid, *options, prefix=()):
    """(stacks, samples that were taken)"""
    r = subprocess.run(
        [*prefix, glim, "record", "-p", str(pid), "-f", "folded", "-o", "-", *map(str, options)],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 0, r.stderr
    taken = re.search(r"^glim record: ([\d,]+) samples in ", r.stderr, re.M)[1]
    return [(s.split(";"), int(n)) for s, n in LINE.findall(r.stdout)], int(taken.replace(",", ""))


def record(glim, pid, *options, prefix=()):
    return record_and_count(glim, pid, *options, prefix=prefix)[0]


def names(stack):
    """Functions, root first, without the process."""
    return [re.sub(r" \(.*", "", f) for f in stack[1:]]


def start(run, target, python=sys.executable, prefix=()):
    p = run([*prefix, python, "-B", TARGETS / target])
    p.wait_line("ready")
    return p


def record_periods(glim, pid, periods, *options):
    """Recordings until there are so many: what a process gets of a busy machine is not known."""
    stacks = []
    for _ in range(60):
        stacks += record(glim, pid, *options)
        if sum(n for _, n in stacks) >= periods:
            return stacks
    raise AssertionError(f"{sum(n for _, n in stacks)} periods of {pid} in 60 recordings")


def flutter_shares(stacks):
    """(impossible, cut, shown from the module on) of all periods."""
    total = sum(n for _, n in stacks)
    mixed = {"hot_a", "leaf_b"}, {"hot_b", "leaf_a"}, {"hot_a", "hot_b"}, {"leaf_a", "leaf_b"}
    impossible = sum(n for s, n in stacks if any(m <= set(names(s)) for m in mixed))
    cut = sum(n for s, n in stacks if any("cut:" in f for f in s))
    whole = sum(n for s, n in stacks if names(s)[:2] == ["<module>", "work"])
    return impossible / total, cut / total, whole / total


@pytest.mark.parametrize("python", PYTHONS)
def test_no_stack_that_never_was(glim, run, python):
    p = start(run, "flutter.py", python)
    # One sample in 10,000 stands for many periods on a full machine; what is wrong is wrong each time.
    for _ in range(3):
        impossible, cut, whole = flutter_shares(record_periods(glim, p.pid, 2000, "-d", 2, "-F", 2000))
        if impossible <= 0.001 and cut <= 0.005 and whole >= 0.97:
            break
    assert impossible <= 0.001 and cut <= 0.005 and whole >= 0.97


def test_shares(glim, run):
    p = start(run, "shares.py")
    stacks, taken = [], 0
    # Late ones stand for the time of those before: a busy machine gives fewer, each of another weight.
    while taken < 600:
        more, count = record_and_count(glim, p.pid, "-d", 3, "-F", 500)
        stacks += more
        taken += count
    total = sum(n for _, n in stacks)
    for name, share in ("seventy", 0.7), ("twenty", 0.2), ("ten", 0.1):
        assert sum(n for s, n in stacks if name in names(s)) / total == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("python", PYTHONS + fetched())
def test_what_awaits_a_task(glim, run, python):
    p = start(run, "awaits.py", python)
    stacks = record_periods(glim, p.pid, 200, "-d", 2, "-F", 300)
    ours = {"main", "by_wait", "by_gather", "by_task", "by_await", "work", "spin"}
    chains = Counter()
    for s, n in stacks:
        if "spin" in names(s):
            chains[tuple(f for f in names(s) if f in ours)] += n
            assert "<module>" == names(s)[0] and any(f.endswith("run_forever") for f in names(s))
    # In the first moments not all of them wait yet.
    whole = chains[("main", "by_wait", "by_gather", "by_task", "by_await", "work", "spin")]
    assert sum(chains.values()) > 100 and whole >= 0.9 * sum(chains.values()), chains


WEIGHTS = """
import threading, time
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
def most(seconds): burn(seconds)
def rest(seconds): burn(seconds)
def busy():
    for _ in range(200): most(0.003); rest(0.001)
def server():
    for _ in range(100): most(0.0015); rest(0.0005); time.sleep(0.004)
threads = [threading.Thread(target=f, name=f.__name__) for f in (busy, server)]
for t in threads: t.start()
for t in threads: t.join()
"""


def test_run_time_on_a_busy_machine(glim, run, tmp_path):
    """Two threads that take turns, beside programs that want all CPUs: who waits uses none."""
    script, out = tmp_path / "weights.py", tmp_path / "out.pb.gz"
    script.write_text(WEIGHTS)
    for _ in range(os.cpu_count() + 1):
        run(["/bin/sh", "-c", "echo ready; while :; do :; done"]).wait_line("ready")
    r = command(glim, out, sys.executable, script, options=["-F", "2000"])
    assert r.returncode == 0, r.stderr
    ran, most = Counter(), Counter()  # seconds by thread
    for s in pprof.samples(gzip.decompress(out.read_bytes())):
        thread = dict(s.labels)["thread"]
        ran[thread] += s.values[1] / 1e9
        most[thread] += s.values[1] / 1e9 * ("most" in s.functions)
    for thread, seconds in ("busy", 0.8), ("server", 0.2):
        # What it ran after its last sample is in none; it runs a little without its clock looking.
        assert 0.9 * seconds < ran[thread] < 1.1 * seconds, (ran, r.stderr)
    assert most["busy"] / ran["busy"] == pytest.approx(0.75, abs=0.12), (most, r.stderr)
    folded_is_the_same(glim, out, 2000)


def folded_is_the_same(glim, out, hz):
    """Numbers of samples are the time in periods, though a sample stands for more or less."""
    text = subprocess.run(
        [glim, "report", out, "-f", "folded", "-o", "-"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    stacks = [(names(s.split(";")), int(n)) for s, n in LINE.findall(text)]
    samples = list(pprof.samples(gzip.decompress(out.read_bytes())))
    # What is below one line of a caller is right to one; a function here has few lines.
    for functions, off in ((), 1), (("busy",), 3), (("busy", "most"), 4), (("server", "most"), 4):
        want = sum(s.values[1] for s in samples if set(functions) <= set(s.functions)) / 1e9 * hz
        assert sum(n for s, n in stacks if set(functions) <= set(s)) == pytest.approx(want, abs=off)


UNSAMPLED = """
#include <stddef.h>
#include <pthread.h>
int PyGILState_Ensure(void);
void *PyEval_SaveThread(void);
static void *spin(void *arg)
{
	PyGILState_Ensure();
	PyEval_SaveThread();
	for (;;)
		__asm__ volatile("");
	return arg;
}
void start(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, spin, NULL);
}
"""


def test_time_that_is_in_no_sample_is_told(glim, run, tmp_path):
    """A thread that Python knows and that never calls it has no stack of Python."""
    source, library = tmp_path / "spin.c", tmp_path / "spin.so"
    source.write_text(UNSAMPLED)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-lpthread"], check=True)
    script = (
        f"import ctypes, signal; ctypes.CDLL({str(library)!r}).start()\n"
        "print('ready', flush=True)\nwhile True: signal.pause()"
    )
    p = run([sys.executable, "-c", script])
    p.wait_line("ready")
    r = subprocess.run(
        [glim, "record", "-p", str(p.pid), "-d", "2", "-o", tmp_path / "out.folded"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 0 and re.search(r"[\d.]+ s of CPU time is in no sample$", r.stderr, re.M), r.stderr
    watch = [glim, "top", "-p", str(p.pid), "-n", "1", "-i", "2"]
    text, table = (
        subprocess.run([*watch, *more], capture_output=True, text=True, timeout=120).stdout for more in ([], ["--json"])
    )
    assert re.search(r" lost  [\d.]+s unsampled ", text), text
    assert json.loads(table)["unsampled_seconds"] > 0.05


def test_from_outside_a_container(glim, run):
    """In a pid namespace of its own a process calls its threads by other numbers than we do."""
    p = run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-B", TARGETS / "shares.py"])
    p.wait_line("ready")
    pid = Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().strip()
    stacks = record_periods(glim, pid, 10, "-d", 1)
    assert sum(n for s, n in stacks if "seventy" in names(s)) > 3


def test_without_privileges(glim, run):
    p = start(run, "shares.py", "/usr/bin/python3", prefix=NOBODY)
    stacks = record(glim, p.pid, "-d", 3, prefix=NOBODY)
    assert sum(n for s, n in stacks if "seventy" in names(s)) > 0


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
    # It may have been on its way there still.
    assert sum(n for s, n in cpu if "waits" in names(s)) <= 2
    waits = sum(n for s, n in wall if "waits" in names(s))
    works = sum(n for s, n in wall if "works" in names(s))
    assert waits > 20 and waits == pytest.approx(works, abs=2)


THREADS = """
import gc, threading, time
def spins():
    while True: pass
def sleeps(): time.sleep(1000)
def collects():
    keep = [[] for _ in range(200000)]
    while True: gc.collect()
for what, name in (spins, "spinner-\xe4"), (sleeps, "sleeper"), (collects, "collector"):
    threading.Thread(target=what, name=name, daemon=True).start()
print('ready', flush=True)
time.sleep(1000)
"""


def record_threads(glim, pid, out):
    """By thread: samples, of these with each label and with the collector's frame."""
    r = subprocess.run(
        [glim, "record", "-p", str(pid), "-d", "2", "--mode", "wall", "-o", out],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 0, r.stderr
    seen = {}
    for s in pprof.samples(gzip.decompress(out.read_bytes())):
        labels = dict(s.labels)
        c = seen.setdefault(labels["thread"], Counter())
        c["all"] += s.values[0]
        c[labels["state"]] += s.values[0]
        c[labels.get("gil")] += s.values[0]
        c["collector"] += s.values[0] * ("<garbage collector>" in s.functions)
    return seen


def holding(seen):
    """Of the samples of one of the two that take turns, how many see either with the lock."""
    return (seen["spinner-\xe4"]["held"] + seen["collector"]["held"]) / seen["spinner-\xe4"]["all"]


@pytest.mark.parametrize("python", PYTHONS)
def test_what_threads_are_called_and_do(glim, run, tmp_path, python):
    script, out = tmp_path / "threads.py", tmp_path / "out.pb.gz"
    script.write_text(THREADS)
    p = run([python, script])
    p.wait_line("ready")
    # Nobody has the lock while its next holder waits for a CPU, which is half of the time on a full machine.
    for _ in range(5):
        seen = record_threads(glim, p.pid, out)
        if holding(seen) > 0.7:
            break
    assert set(seen) == {"MainThread", "spinner-\xe4", "sleeper", "collector"}
    assert min(c["all"] for c in seen.values()) > 20
    for idle in "MainThread", "sleeper":
        assert seen[idle]["idle"] >= 0.9 * seen[idle]["all"]
        assert not seen[idle]["held"] and not seen[idle]["collector"]
    # These two take turns: one has the lock, the other waits for it, or wakes up just now. Both are sampled one after
    # the other: rarely both are seen to have it.
    waiting = seen["spinner-\xe4"]["waiting"] + seen["collector"]["waiting"]
    assert 0.7 < holding(seen) < 1.5
    assert waiting > 0.03 * seen["spinner-\xe4"]["all"]
    assert not seen["spinner-\xe4"]["collector"]
    assert seen["collector"]["collector"] > 0.3 * seen["collector"]["held"] > 5

    # In one second of a busy machine they may get nothing.
    holders = next(filter(None, (record(glim, p.pid, "-d", 1, "--gil") for _ in range(30))), [])
    assert holders and all({"spins", "collects"} & set(names(s)) for s, _ in holders)


def test_names_of_threads_in_the_kernels_samples(glim, run, tmp_path):
    """Python 2.7, too. A thread has its own name or the kernel's, never that of the one before it."""
    out, seen = tmp_path / "out.pb.gz", {}
    pythons = [*PYTHONS[::3], *glob.glob(os.path.expanduser("~/.pyenv/versions/2.7*/bin/python"))]
    script = tmp_path / "all.py"
    script.write_text("import subprocess, sys\n"
                      "children = [subprocess.Popen(c.split()) for c in sys.argv[1:]]\n"
                      "for child in children: child.wait()\n")
    for i, python in enumerate(pythons):
        (tmp_path / ("named%d" % i)).symlink_to(python)
    p = run([sys.executable, script, *("%s/named%d -B %s" % (tmp_path, i, TARGETS / "named_threads.py")
                                       for i in range(len(pythons)))])
    for _ in pythons:
        p.wait_line("ready")
    where = ["-p", str(p.pid), "--native", "--subprocesses"]
    wanted = {(i, f) for i in range(len(pythons)) for f in ("alpha", "beta", "renamed")}
    for _ in range(10):
        subprocess.run([glim, "record", *where, "-d", "3", "-F", "200", "-o", out], check=True, capture_output=True, timeout=60)
        for s in pprof.samples(gzip.decompress(out.read_bytes())):
            labels = dict(s.labels)
            for f in {"alpha", "beta", "renamed"} & set(s.functions):
                if labels["process"].startswith("named"):
                    seen.setdefault((int(labels["process"][5:]), f), Counter())[labels["thread"]] += s.values[0]
        if all(seen.get(k, {}).get("thread-" + k[1]) for k in wanted):
            break
    for (i, f), threads in seen.items():
        assert set(threads) <= {"thread-" + f, "named%d" % i}, (pythons[i], f, threads)
    assert all(seen[k]["thread-" + k[1]] for k in wanted), seen


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


def command(glim, out, *argv, options=(), **how):
    return subprocess.run(
        [glim, "record", "-F", "500", "-o", out, *options, "--", *map(str, argv)],
        capture_output=True, text=True, timeout=120, **how,
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_a_command_from_its_first_line(glim, tmp_path, python):
    """The first function is all that there is in the first tenth of a second."""
    out, script = tmp_path / "out.folded", tmp_path / "first.py"
    script.write_text(
        "import sys, time\n"
        "def use(seconds):\n"
        "    end = time.process_time() + seconds\n"
        "    while time.process_time() < end: pass\n"
        "def first(): use(0.1)\n"
        "def second(): use(0.1)\n"
        "first()\n"
        "second()\n"
        "print(sys.stdin.read())\n"
        "sys.exit(7)\n"
    )
    r = command(glim, out, python, script, input="typed")
    assert r.returncode == 7, r.stderr
    assert r.stdout == "typed\n"
    text = out.read_text()
    assert "first" in text and "second" in text


@pytest.mark.parametrize(
    "script, status",
    [("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 0", 0)],
)
def test_the_status_of_a_command(glim, tmp_path, script, status):
    r = command(glim, tmp_path / "out.folded", "/bin/sh", "-c", script)
    assert r.returncode == status, r.stderr
    assert (tmp_path / "out.folded").exists()


@pytest.mark.parametrize("name, status, words", [("no-such-command", 127, "No such file"),
                                                 ("/etc/passwd", 126, "Permission denied")])
def test_a_command_that_cannot_be_run(glim, tmp_path, name, status, words):
    r = command(glim, tmp_path / "out.folded", name)
    assert r.returncode == status and words in r.stderr and name in r.stderr
    assert not (tmp_path / "out.folded").exists()


def test_signals_are_the_commands(glim, run, tmp_path):
    """Ctrl-C goes to both; SIGTERM ends the recording, and the command goes on."""
    out = tmp_path / "out.folded"
    script = "trap 'echo caught' INT; echo ready; read x || read x; echo got $x; exit 5"
    # Who runs the tests in the background ignores Ctrl-C, and what a shell was told to ignore it cannot trap.
    p = subprocess.Popen(
        ["env", "--default-signal=INT", glim, "record", "-o", out, "--", "/bin/sh", "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )
    assert p.stdout.readline() == "ready\n"
    os.killpg(p.pid, signal.SIGINT)
    assert p.stdout.readline() == "caught\n"
    p.send_signal(signal.SIGTERM)
    assert p.communicate("it\n", timeout=120)[0] == "got it\n"
    assert p.returncode == 5 and out.exists()


def test_subprocesses(glim, tmp_path):
    """A shell that starts a Python, which forks one and spawns one."""
    out, script = tmp_path / "out.folded", tmp_path / "family.py"
    script.write_text(
        "import multiprocessing, time\n"
        "def use():\n"
        "    end = time.process_time() + 0.5\n"
        "    while time.process_time() < end: pass\n"
        "def forked(): use()\n"
        "def spawned(): use()\n"
        "if __name__ == '__main__':\n"
        "    for how, what in ('fork', forked), ('spawn', spawned):\n"
        "        p = multiprocessing.get_context(how).Process(target=what)\n"
        "        p.start()\n"
        "        p.join()\n"
    )
    stacks = []
    for _ in range(5):  # who lives half a second may get no sample on a machine that is full
        r = command(glim, out, "/bin/sh", "-c", f"{sys.executable} {script}; exit 4", options=["--subprocesses"])
        assert r.returncode == 4, r.stderr
        stacks += [names(s.split(";")) for s, _ in LINE.findall(out.read_text())]
        missing = [name for name in ("forked", "spawned") if not any(s[-2:] == [name, "use"] for s in stacks)]
        if not missing:
            break
    assert not missing, (missing, r.stderr, stacks)


def test_pypy_is_named(glim, run):
    """Not CPython: its functions are not read, which is said; its native code is that of any program."""
    p = run(["pypy3", "-c", "print('ready', flush=True)\nwhile True: pass"])
    p.wait_line("ready")
    for words, cure in (["record", "-d", "1", "-o", "-"], "--native"), (["top", "-n", "1"], "--native"), (["dump"], "CPython"):
        r = subprocess.run([glim, *words, "-p", str(p.pid)], capture_output=True, text=True, timeout=120)
        assert r.returncode == 1 and "PyPy" in r.stderr and cure in r.stderr, (words, r.stderr)
        assert len(r.stderr.splitlines()) == 1
    stacks = record_periods(glim, p.pid, 20, "-d", 1, "--native")
    assert all(s[0] == "pypy3" for s, _ in stacks)


def test_a_python_of_the_future_is_left_out_and_counted(glim, run, tmp_path):
    """A real interpreter that says it is of a version that nobody knows, beside one of today."""
    future, out = tmp_path / "future", tmp_path / "out.folded"
    program = Path("/usr/bin/python3").resolve().read_bytes()
    today = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(sys.hexversion)"], capture_output=True, text=True, check=True
    )
    version = struct.pack("<Q", int(today.stdout))  # Py_Version, an unsigned long
    assert program.count(version) == 1
    future.write_bytes(program.replace(version, struct.pack("<Q", 0x03F000F0)))
    future.chmod(0o755)
    code = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    r = command(
        glim, out, "/bin/sh", "-c",
        f"PYTHONHOME=/usr {future} -c '{code}'; /usr/bin/python3 -c '{code}'; exit 4",
        options=["--subprocesses"],
    )
    assert r.returncode == 4, r.stderr
    assert "left out for the version of their Python: 1 process; Glim knows CPython 2.7" in r.stderr
    assert "<module>" in out.read_text()
    wait = "import signal; print('ready', flush=True); signal.pause()"
    p = run(["env", "PYTHONHOME=/usr", future, "-c", wait])
    p.wait_line("ready")
    r = subprocess.run([glim, "record", "-p", str(p.pid), "-d", "1"], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert r.returncode == 1 and "is not known to this version of Glim" in r.stderr
    r = subprocess.run([glim, "dump", "-p", str(p.pid)], capture_output=True, text=True, timeout=120)
    assert r.returncode == 1 and "it runs Python 3.240, which this version of glim does not know" in r.stderr


@pytest.mark.parametrize(
    "pid, words", [("4194303", "no process 4194303"), (None, "runs no Python")]
)
def test_who_cannot_be_recorded(glim, run, pid, words):
    other = run(["/bin/sleep", "1000"])
    r = subprocess.run(
        [glim, "record", "-p", pid or str(other.pid), "-f", "folded", "-o", "-"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 1 and words in r.stderr and len(r.stderr.splitlines()) == 1
