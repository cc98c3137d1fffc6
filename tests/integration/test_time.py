"""glim time: what commands take of which that is known. CPU time, bytes and counts only: on a busy
machine nothing holds of the wall clock but that it is not less."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from screen import written_to_terminal

NOBODY = 65534
BURN = "import time\nwhile time.process_time() < {}: pass"


def time(glim, *arguments, **more):
    return subprocess.run([glim, "time", *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)


def measured(glim, *arguments, status=0, **more):
    r = time(glim, "--json", *arguments, **more)
    assert r.returncode == status, r.stderr
    return json.loads(r.stdout.splitlines()[-1])


def python(*lines):
    return [sys.executable, "-c", "\n".join(lines)]


def test_a_program_of_which_all_is_known(glim):
    """0.2 s of CPU in itself, 0.1 s in a child, 64 MiB of memory, 5 MiB written, 0.2 s asleep."""
    d = measured(
        glim, "--",
        *python(
            "import os, subprocess, sys, time",
            "subprocess.run([sys.executable, '-c', " + repr(BURN.format(0.1)) + "])",
            "b = bytearray(os.urandom(1)) * (64 << 20)",
            "null = os.open('/dev/null', os.O_WRONLY)",
            "for i in range(80): os.write(null, b[:1 << 16])",
            "time.sleep(0.2)",
            BURN.format(0.2).split("\n")[1],
            "os._exit(0)",
        ),
    )
    assert 0.29 <= d["cpu"] < 20 and abs(d["user"] + d["system"] - d["cpu"]) < 1e-6
    assert d["wall"] >= 0.3 and abs(d["cpu_share"] - d["cpu"] / d["wall"]) < 1e-6
    assert 64 << 20 <= d["peak_rss"] < 200 << 20
    if d["end_rss_age"] < 0.1:  # it has all of it for longer
        assert 64 << 20 <= d["end_rss"] <= d["together_rss"]
    assert d["together_rss"] is None or d["together_rss"] >= d["peak_rss"]
    assert 5 << 20 <= d["bytes_written"] < 6 << 20
    assert d["minor_faults"] > (64 << 20) // (4096 * 512) and d["voluntary_switches"] >= 2
    waiting = d["waiting"]
    assert waiting["total"] >= 0.2  # asleep; the child may run beside what its parent still does
    parts = [waiting["run_queue"], waiting["disk"] or 0, waiting["other"]]
    assert abs(sum(parts) - waiting["total"]) < 1e-6 and min(parts) >= 0
    assert (waiting["disk"] is None) == any("disk waits" in s for s in d["unknown"])
    root, child = d["processes"]
    assert root["parent"] is None and child["parent"] == root["pid"]
    # What it takes to fork is in its own clock, and none of it.
    assert root["cpu"] >= 0.18 and child["cpu"] >= 0.09
    assert abs(root["share"] + child["share"] - 1) < 1e-6
    assert 0.7 * d["cpu"] < root["cpu"] + child["cpu"] < 3 * d["cpu"]
    if root["peak_rss"] is not None:  # root of the machine is told
        assert root["peak_rss"] >= 64 << 20 > child["peak_rss"] > 0 and root["bytes_written"] >= 5 << 20
        assert waiting["all_run_queue"] >= root["run_queue"]
    assert d["command"][0] == sys.executable and d["status"] == 0 and d["signal"] is None


def test_processes_that_live_for_a_moment(glim):
    d = measured(glim, "--", "sh", "-c", "i=0; while [ $i -lt 30 ]; do /bin/true; i=$((i + 1)); done; (/bin/true; /bin/true; :); exit 3", status=3)
    true = [p for p in d["processes"] if p["name"] == "true"]
    assert len(true) == 32 and all(p["cpu"] > 0 and p["lived"] > 0 for p in true)
    shells = [p for p in d["processes"] if p["name"] == "sh"]
    parents = [p["parent"] for p in true]
    assert [parents.count(p["pid"]) for p in shells] == [30, 2]
    assert d["processes_lost"] == 0
    text = time(glim, "--", "sh", "-c", "/bin/true; /bin/true; /bin/true; exit 0").stderr
    assert "true 3 processes" in text  # those of one name are one row


def test_it_does_not_work_while_the_command_sleeps(glim):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    d = measured(glim, "--", "sh", "-c", "i=0; while [ $i -lt 1000 ]; do (:); i=$((i + 1)); done; sleep 1; exit 0")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - d["cpu"]
    assert len(d["processes"]) == 1002 and own < d["cpu"] / 2 + 0.2


def cpu_of(argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_it_costs_little(glim):
    """Less than 2 ms where /bin/true takes 0.5; the least of many, in turns."""
    plain, timed = zip(*[(cpu_of(["/bin/true"]), cpu_of([glim, "time", "--", "/bin/true"])) for _ in range(25)])
    assert min(timed) - min(plain) < 4 * min(plain) + 0.001


@pytest.mark.parametrize(
    "command, status, words",
    [
        (["/nonexistent/x"], 127, "/nonexistent/x: cannot run the command: No such file"),
        (["/etc/passwd"], 126, "Permission denied"),
        (["sh", "-c", "kill -9 $$"], 137, "ended by signal 9"),
        (["sh", "-c", "exit 7"], 7, "status 7"),
        (["sh", "-c", "exec 2>&-; exit 0"], 0, "of wall"),
        (["sh", "-c", "exec sh -c 'exec /bin/true'"], 0, "of wall"),
    ],
)
def test_how_a_command_ends(glim, command, status, words):
    r = time(glim, "--", *command)
    assert r.returncode == status and words in r.stderr and r.stdout == ""


def test_what_executes_itself_is_one_process(glim):
    d = measured(glim, "--", "sh", "-c", "exec sh -c 'exec /bin/true'")
    assert [p["name"] for p in d["processes"]] == ["true"]


def test_who_is_left_behind_is_not_waited_for(glim, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    try:
        d = measured(glim, "--", "sh", "-c", f"cat {fifo} >/dev/null 2>&1 & exit 0")
        assert len(d["processes"]) == 2 and d["processes"][1]["lived"] is None
        assert any("1 process still runs" in s for s in d["unknown"])
    finally:
        fifo.write_text("")  # it reads the end


def test_who_outlives_its_parent_is_in_the_tree(glim):
    """Its CPU time is in no account of a parent; cat ends when it does."""
    d = measured(glim, "--", "sh", "-c", '("$0" -c "$1" &) | cat; exit 0', sys.executable, BURN.format(0.15))
    orphan = max(d["processes"], key=lambda p: p["cpu"])
    assert orphan["cpu"] >= 0.14 and d["cpu"] < orphan["cpu"]
    assert any("outlived their parent" in s for s in d["unknown"])


def test_input_and_output_are_the_commands(glim):
    r = time(glim, "--", "sh", "-c", "cat; echo bad >&2", input="through\n")
    assert r.stdout == "through\n" and r.stderr.startswith("bad\n") and "of wall" in r.stderr


def test_a_signal_is_passed_on(glim, run):
    p = run([glim, "time", "--", *python(
        "import signal, sys",
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(9))",
        "print('ready', flush=True)",
        "signal.pause()",
    )])
    p.wait_line("ready")
    p.send(signal.SIGTERM)
    assert p.wait() == 9
    assert "status 9" in p.output and "of wall" in p.output


def test_ctrl_c_is_for_the_command_to_answer(glim):
    p = subprocess.Popen(
        [glim, "time", "--", *python(
            "import signal, sys",
            "signal.signal(signal.SIGINT, lambda *a: sys.exit(5))",
            "print('ready', flush=True)",
            "signal.pause()",
        )],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    assert p.stdout.readline() == "ready\n"
    os.killpg(p.pid, signal.SIGINT)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 5 and "of wall" in err


def test_signals_are_as_they_were(glim):
    show = python("print([l for l in open('/proc/self/status') if l.startswith(('SigIgn', 'SigBlk', 'SigCgt'))])")
    alone = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert time(glim, "--", *show).stdout == alone
    assert time(glim, "-n", 2, "--show", "--", *show).stdout == 3 * alone


def test_several_runs(glim, tmp_path):
    counter = tmp_path / "runs"
    d = measured(glim, "-n", 8, "--", "sh", "-c", f"echo x >> {counter}; echo noise; echo noise >&2")
    assert counter.read_text().count("x") == 9  # and one to warm up
    assert len(d["runs"]) == 8 and d["warmup"] == 1 and d["status"] == 0
    walls = sorted(r["wall"] for r in d["runs"])
    s = d["statistics"]["wall"]
    assert (s["min"], s["max"]) == (walls[0], walls[-1])
    assert d["wall"] == s["median"] == pytest.approx((walls[3] + walls[4]) / 2)
    assert s["median_interval"] == [walls[0], walls[7]]
    text = time(glim, "-n", 3, "-w", 2, "--", "true")
    assert text.stdout == "" and "true: 3 runs after 2 to warm up" in text.stderr
    assert "doubtful: 3 runs of true are too few" in text.stderr
    # What they write is lost, and they have nothing to read.
    quiet = time(glim, "-n", 2, "--", "sh", "-c", "echo n''o''i''s''e; echo n''o''i''s''e >&2; cat")
    assert quiet.stdout == "" and "noise" not in quiet.stderr


def test_a_run_that_fails_ends_it(glim, tmp_path):
    fails = f"echo x >> {tmp_path}/runs; [ $(wc -l < {tmp_path}/runs) -lt 3 ] || exit 4"
    r = time(glim, "-n", 5, "--warmup", 0, "--", "sh", "-c", fails)
    assert r.returncode == 4 and "run 3 ended with status 4" in r.stderr and "3 runs" in r.stderr
    d = measured(glim, "-i", "-n", 5, "--warmup", 0, "--", "sh", "-c", fails, status=4)
    assert [x["status"] for x in d["runs"]] == [4] * 5


def test_commands_are_compared(glim):
    one, two = python(BURN.format(0.04)), python(BURN.format(0.3))
    r = time(glim, "-n", 5, "--json", "--", *one, "--vs", *two, "--vs", *one)
    assert r.returncode == 0, r.stderr
    d = json.loads(r.stdout)
    assert [c["command"] for c in d["commands"]] == [one, two, one]
    cpu = [c for c in d["comparisons"] if c["measure"] == "cpu"]
    assert [c["b"] for c in cpu] == [1, 2] and all(c["known"] for c in cpu)
    assert cpu[0]["different"] and 1.2 < cpu[0]["ratio_interval"][0] <= cpu[0]["ratio"] < 9 and cpu[0]["p"] < 0.05
    assert 0.05 < cpu[0]["difference_interval"][0] <= cpu[0]["difference"]
    assert cpu[1]["ratio"] < cpu[0]["ratio"]
    text = time(glim, "-n", 5, "--", *one, "--vs", *two).stderr
    assert "CPU time: " in text and ": surely between " in text
    assert "too few runs to tell" in time(glim, "-n", 3, "--", "true", "--vs", "/bin/true").stderr


def test_the_report_into_a_file(glim, tmp_path):
    out = tmp_path / "out.json"
    r = time(glim, "--json", "-o", out, "--", "echo", "hello")
    assert (r.returncode, r.stdout, r.stderr) == (0, "hello\n", "")
    assert json.loads(out.read_text())["wall"] > 0
    # What was measured is not lost.
    r = time(glim, "-o", "/dev/full", "--", "true")
    assert r.returncode == 1 and "No space left" in r.stderr and "of wall" in r.stderr
    assert time(glim, "-o", "/dev/full", "--", "sh", "-c", "exit 6").returncode == 6
    r = time(glim, "-o", tmp_path / "no" / "where", "--", "touch", tmp_path / "ran")
    assert r.returncode == 1 and not (tmp_path / "ran").exists()


def test_progress_on_a_terminal(glim):
    status, seen = written_to_terminal([glim, "time", "-n", "3", "--", "true"], stream="stderr")
    assert status == 0 and b"\rglim time: run 2 of 3, the last took " in seen
    status, seen = written_to_terminal([glim, "time", "-q", "-n", "3", "--", "true"], stream="stderr")
    assert status == 0 and b"run 2 of 3" not in seen
    assert "run 2 of 3" not in time(glim, "-n", 3, "--", "true").stderr


@pytest.fixture
def public(glim):
    """The program where everybody may execute it."""
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/glim-time-XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    subprocess.run(["cp", glim, folder / "glim"], check=True)
    yield folder / "glim"
    subprocess.run(["rm", "-r", folder], check=True)


def test_without_root(public):
    r = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", public, "time", "--json",
         "--", "sh", "-c", "/bin/true; head -c 100000 /dev/zero; exit 2"],
        capture_output=True, text=True, timeout=60, cwd="/",
    )
    d = json.loads(r.stdout[r.stdout.index("{"):])
    assert r.returncode == 2 and d["cpu"] > 0 and d["peak_rss"] > 0
    assert 100000 <= d["bytes_written"] < 110000
    if int(Path("/proc/sys/kernel/perf_event_paranoid").read_text()) <= 2:
        assert sorted(p["name"] for p in d["processes"]) == ["head", "sh", "true"]
        assert all(p["cpu"] > 0 and p["peak_rss"] is None for p in d["processes"])
    else:
        assert d["processes"] is None and any("not followed" in s for s in d["unknown"])


def test_the_peak_of_a_small_program(glim):
    """A process that is to become it has more: that is told, or left out."""
    d = measured(glim, "--", "/bin/true")
    known = d["processes"][0]["peak_rss"]
    assert 0 < d["peak_rss"] < 4 << 20
    assert any("peak of memory may be lower" in s for s in d["unknown"]) == (known is None)
    assert known is None or d["peak_rss"] == max(known, d["end_rss"] or 0)
    d = measured(glim, "--", *python("b = b'x' * (8 << 20)"))
    assert d["peak_rss"] > 8 << 20 and not any("lower" in s for s in d["unknown"])


def test_what_its_sleep_was(glim):
    d = measured(glim, "--", "sh", "-c", "sleep 1; exit 0")
    asleep = d["waiting"]["asleep"]
    assert d["waiting"]["asleep_looks"] >= 1 and max(asleep, key=asleep.get) == "children"
    assert sum(asleep.values()) <= d["wall"] + 1e-6
    text = time(glim, "--", "sleep", "1").stderr
    assert " asleep in " in text and "timers " in text


def test_without_the_tree(glim):
    d = measured(glim, "--no-tree", "--", "sh", "-c", "/bin/true; exit 0")
    assert d["processes"] is None and d["cpu"] > 0 and d["peak_rss"] > 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "which command?"),
        (["--"], "which command?"),
        (["--", "--vs", "true"], "missing at --vs"),
        (["--", "true", "--vs"], "missing at --vs"),
        (["-n", "0", "--", "true"], "-n must be"),
        (["-n", "1", "--", "true", "--vs", "false"], "compares nothing"),
        (["--nonsense", "--", "true"], "no option --nonsense"),
    ],
)
def test_wrong_usage(glim, arguments, words):
    r = time(glim, *arguments)
    assert r.returncode == 2 and words in r.stderr and "glim help time" in r.stderr
