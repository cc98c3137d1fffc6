"""glim top: a live table, at a terminal and for scripts."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ROOT
from screen import Screen

TARGETS = ROOT / "tests" / "targets"
SHARES = {"six": 60, "three": 30, "one": 10}
ROW = re.compile(r"^ *([\d.]+) +([\d.]+) +(?:[\d.]+ +)?([\d.]+)s +(?:[\d.]+s +)?(\S+)")


@pytest.fixture
def busy(run):
    """A program of known shares. It goes before others, who would distort them."""
    process = run([sys.executable, TARGETS / "top.py"])
    process.wait_line("ready")
    os.setpriority(os.PRIO_PROCESS, process.pid, -20)
    return process


@pytest.fixture
def top(glim):
    """top(*options, **how): glim top on a terminal."""
    screens = []

    def start(*options, **how):
        screens.append(Screen([glim, "top", *options], **how))
        return screens[-1]

    yield start
    for screen in screens:
        screen.close()


def rows(screen):
    """name -> (self %, total %, seconds), in the order of the screen."""
    found = [ROW.match(line) for line in screen.lines]
    return {m[4]: (float(m[1]), float(m[2]), float(m[3])) for m in found if m}


def clock(screen):
    """Seconds that the title shows."""
    m = re.search(r"(\d+):(\d\d)$", screen.lines[0])
    return m and int(m[1]) * 60 + int(m[2])


def seconds_pass(n):
    """A condition: n seconds later by the clock on the screen."""
    start = []

    def passed(screen):
        now = clock(screen)
        if now is None:
            return False
        start.append(now)
        return now >= start[0] + n

    return passed


# ---- what is shown ----


def shows_the_shares(screen):
    table = rows(screen)
    return list(table)[:3] == [*SHARES] and all(
        abs(table[name][0] - share) < 6 and abs(table[name][1] - share) < 6 for name, share in SHARES.items()
    ) and table["main"][0] < 2 and table["main"][1] > 98


def test_functions_by_their_shares(top, busy):
    screen = top("-p", busy.pid, "-F", 499)
    screen.wait(seconds_pass(4))
    # On a full machine it comes to few samples in four seconds; the more it has, the nearer it is.
    screen.wait(shows_the_shares)
    assert f"({busy.pid})" in screen.lines[0]
    assert re.match(r"CPU [\d.]+%  \d+ lost  (100\.0|99\.\d)% complete", screen.lines[1])
    six = next(line for line in screen.lines if " six " in line)
    assert re.search(r"top\.py:15 +Python$", six)


def test_keys_sort_and_switch(top, busy):
    screen = top("-p", busy.pid)
    screen.wait("six")
    screen.press("2")
    screen.wait(lambda s: set(list(rows(s))[:2]) == {"main", "<module>"})
    screen.press("4")
    screen.wait(lambda s: list(rows(s)) == ["<module>", "main", "one", "six", "three"])
    screen.press("r")
    screen.wait(lambda s: list(rows(s)) == ["three", "six", "one", "main", "<module>"])
    screen.press("1l")
    screen.wait(lambda s: re.search(r"top\.py:1[67] ", s.text))
    screen.press("p")
    screen.wait(lambda s: re.search(rf"100\.0 .*python.* {busy.pid}$", s.text, re.M))
    # A terminal may send a key in pieces.
    screen.press("f2")
    screen.wait(lambda s: "six" in rows(s))
    screen.press(b"\x1b")
    screen.press(b"[B")
    screen.press("4\r")
    screen.wait("from")
    screen.press("?")
    screen.wait("q quit")
    screen.press("x")
    screen.wait("FUNCTION")


def test_enter_shows_callers_and_callees(top, busy):
    screen = top("-p", busy.pid)
    screen.wait("six")
    screen.press("\r")
    screen.wait("from main")
    screen.press("\x1b")
    screen.wait(lambda s: "from main" not in s.text)
    screen.press("2/main\r\r")
    screen.wait(lambda s: all(f"to   {name}" in s.text for name in SHARES))


def test_a_filter_means_names_before_folders(top, run, tmp_path):
    """Every file of a checkout that is called main has it in its path."""
    folder = tmp_path / "main"
    folder.mkdir()
    script = shutil.copy(TARGETS / "top.py", folder)
    process = run([sys.executable, script])
    process.wait_line("ready")
    screen = top("-p", process.pid, "--sort", "total")
    screen.wait("six")
    screen.press("/main\r\r")
    screen.wait(lambda s: all(f"to   {name}" in s.text for name in SHARES))
    assert "<module>" in rows(screen) and "from <module>" in screen.text


def test_filter(top, busy):
    screen = top("-p", busy.pid)
    screen.wait("six")
    screen.press("/THREE")
    screen.wait(lambda s: list(rows(s)) == ["three"] and s.lines[-1] == "/THREE")
    screen.press("\x7f" * 5 + "qq")
    screen.wait("nothing matches the filter")
    screen.press("\x1b")
    screen.wait(lambda s: len(rows(s)) == 5)


def test_frozen_numbers_stay(top, busy):
    screen = top("-p", busy.pid, "-i", "0.2")
    screen.wait(lambda s: len(rows(s)) == 5)
    screen.press(" ")
    screen.wait("frozen")
    before = rows(screen)
    screen.wait(seconds_pass(2))
    assert rows(screen) == before
    screen.press(" ")
    # What came meanwhile is there at once.
    screen.wait(lambda s: sum(r[2] for r in rows(s).values()) > 1 + sum(r[2] for r in before.values()))


def test_it_fits_after_a_resize(top, busy):
    screen = top("-p", busy.pid)
    screen.wait("RUNTIME")
    screen.resize(40, 10)
    screen.wait(lambda s: s.lines[2].split() == ["SELF%", "TOT%", "FUNCTION"])
    assert screen.lines[9].startswith("?:help")
    screen.resize(120, 40)
    screen.wait(lambda s: "TOTAL" in s.text and s.lines[39].startswith("?:help"))
    assert f"({busy.pid})" in screen.lines[0]
    screen.resize(3, 2)
    screen.wait(lambda s: s.lines[0].startswith("gl"))


def test_whole_machine(top, busy):
    screen = top("-a", "--by", "processes", "--filter", busy.pid)
    screen.wait(lambda s: re.search(rf"python.* {busy.pid}$", s.text, re.M))
    screen.press("\r")
    screen.wait(lambda s: "of python" in s.lines[2])
    screen.press("2")
    screen.wait("main")
    screen.press("\x1b")
    screen.wait("PROCESS")


# ---- the terminal afterwards ----


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_terminal_is_as_it_was(top, busy, end):
    screen = top("-p", busy.pid)
    screen.wait("six")
    if isinstance(end, str):
        screen.press(end)
    else:
        screen.popen.send_signal(end)
    assert screen.wait_end() == 0
    assert screen.restored


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT])
def test_a_crash_restores_it_too(top, busy, number):
    screen = top("-p", busy.pid)
    screen.wait("six")
    screen.popen.send_signal(number)
    assert screen.wait_end() == -number
    assert screen.restored


def test_stopped_and_continued(glim, busy):
    """As a shell does it: Ctrl-Z gives the terminal back, fg draws again."""
    script = f"set -m; '{glim}' top -p {busy.pid}; echo stopped $?; read -r x; fg; echo ended $?"
    screen = Screen(["bash", "-c", script])
    try:
        screen.wait("six")
        screen.press("\x1a")
        screen.wait("stopped 148")
        assert b"\x1b[?1049l" in screen.raw
        screen.raw = b""
        screen.press("\n")
        screen.wait(lambda s: b"\x1b[?1049h" in s.raw and "six" in s.text)
        screen.press("q")
        screen.wait("ended 0")
        screen.wait_end()
    finally:
        screen.close()


def test_the_process_ends(top, busy):
    screen = top("-p", busy.pid)
    screen.wait("six")
    busy.stop()
    screen.wait("The process has ended")
    assert "six" in screen.text
    screen.press("q")
    assert screen.wait_end() == 0
    assert screen.restored


# ---- a command ----


def test_a_command(top, tmp_path):
    screen = top("--", sys.executable, TARGETS / "top.py")
    screen.wait("six")
    pid = int(re.search(r"\((\d+)\)", screen.lines[0])[1])
    os.kill(pid, 0)
    assert "ready" not in screen.text
    screen.press("q")
    assert screen.wait_end() == 0
    assert screen.restored
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_command_that_fails(top):
    script = "import sys; print('\\x1b[2Jlast'); sys.exit(3)"
    screen = top("--", sys.executable, "-c", script)
    screen.wait("The command has ended with status 3")
    screen.press("q")
    assert screen.wait_end() == 3
    assert r"\x1b[2Jlast" in screen.text
    assert b"\x1b[2Jlast" not in screen.raw


def test_a_command_without_a_terminal(glim):
    r = tables(glim, "-i", 0.5, "--json", "--", sys.executable, "-c", "sum(range(10**8))")
    assert r.returncode == 0 and r.stderr == ""
    last = json.loads(r.stdout.splitlines()[-1])
    assert last["rows"][0]["function"] == "<module>" and last["samples"] > 0
    r = tables(glim, "-n", 1, "--native", "--json", "--", "/bin/sh", "-c", "while :; do :; done")
    assert r.returncode == 0 and json.loads(r.stdout)["samples"] > 0
    r = tables(glim, "-n", 1, "--gil", "--native", "--json", "--", sys.executable, "-c", "while True: pass")
    said = json.loads(r.stdout)
    assert r.returncode == 0 and said["stopped"] > 0 and said["stopped_seconds_median"] > 0
    r = tables(glim, "-n", 1, "--", "/bin/sh", "-c", "while :; do :; done")
    assert "no Python runs yet" in r.stdout


def test_a_command_that_is_not_there(glim):
    r = tables(glim, "--", "/no/such/command")
    assert r.returncode == 127 and "/no/such/command: cannot run the command" in r.stderr


def test_processes_that_it_starts(glim):
    # It is ended by SIGTERM, and takes its child along.
    script = (
        "import signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, {str(TARGETS / 'top.py')!r}])\n"
        "signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit()))\n"
        "child.wait()"
    )
    # How long it takes to start two interpreters is not known; what is shown adds up.
    options = ["-i", 1, "--subprocesses", "--json", "--", sys.executable, "-c", script]
    assert any({"six", "three"} <= {row["function"] for row in table["rows"]} for table in watched(glim, *options))


def test_names_cannot_control_the_terminal(top, run):
    process = run([sys.executable, TARGETS / "top.py", "hostile"])
    process.wait_line("ready")
    screen = top("-p", process.pid, columns=120)
    screen.wait(r"\x1b[2J\x1b[31mred")
    screen.wait(r"\x1b]0;owned\x07")
    screen.press("q")
    screen.wait_end()
    assert b"\x1b]" not in screen.raw and b"\x07" not in screen.raw
    assert "\u202e".encode() not in screen.raw
    assert b"\x1b[31m" not in screen.raw


def test_colours_are_left_out_when_asked(top, busy):
    plain = top("-p", busy.pid, env={"NO_COLOR": "1"})
    plain.wait("six")
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", plain.raw)
    coloured = top("-p", busy.pid)
    coloured.wait("six")
    assert re.search(rb"\x1b\[[0-9;]*3[0-7]m", coloured.raw)


def test_a_stalled_terminal_stalls_nobody(top, busy):
    """Nobody reads what is drawn, far more than a terminal's buffer holds: keys still work."""
    screen = top("-p", busy.pid, "--by", "lines", columns=300, rows=100)
    screen.wait("six")
    for _ in range(500):
        screen.press("?x")
    screen.wait_taken()
    screen.press("q")
    assert screen.wait_end() == 0
    assert screen.restored


# ---- for scripts ----


def tables(glim, *options, **how):
    return subprocess.run(
        [glim, "top", *map(str, options)], capture_output=True, text=True, timeout=120, **how
    )


def watched(glim, *options):
    """Its tables, as they come, a minute or two of them; then it is ended."""
    process = subprocess.Popen([glim, "top", "-n", "60", *map(str, options)], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            yield json.loads(line)
    finally:
        process.terminate()
        process.communicate()


def off(table):
    """How far the shares are from those that are known, in points."""
    found = {row["function"]: row["total_seconds"] for row in table["rows"]}
    return max(abs(found.get(name, 0) / found["main"] * 100 - share) for name, share in SHARES.items())


@pytest.mark.parametrize("engine", [[], ["--native"]])
def test_json_has_the_shares(glim, busy, engine):
    r = tables(glim, "-p", busy.pid, "-n", 2, "-i", 1, "--json", *engine)
    assert r.returncode == 0 and r.stderr == ""
    first, second = map(json.loads, r.stdout.splitlines())
    assert first["samples"] < second["samples"] and second["clock"] == "cpu"
    assert abs(sum(row["self"] for row in second["rows"]) - 1) < 1e-6
    # How many samples there are in a second is not known; the more there are, the nearer they come.
    table = next(t for t in watched(glim, "-p", busy.pid, "-i", 2, "-F", 499, "--json", *engine)
                 if t["samples"] >= 500 and off(t) < 6)
    found = {row["function"]: row for row in table["rows"]}
    assert all(found[name]["kind"] == "python" and found[name]["file"].endswith("top.py") for name in SHARES)


def test_text_without_a_terminal(glim, busy):
    r = tables(glim, "-p", busy.pid, "-n", 1, "--rows", 2)
    lines = r.stdout.splitlines()
    assert r.returncode == 0 and len(lines) == 5 and "\x1b" not in r.stdout
    # Which of them is first is chance, of the few samples that a full machine has time for.
    first, second = (ROW.match(line) for line in lines[3:])
    assert {first[4], second[4]} <= {*SHARES, "main"} and float(first[3]) >= float(second[3])


def test_native_and_kernel_code(glim, busy):
    r = tables(glim, "-p", busy.pid, "-n", 1, "-i", 2, "--native", "--json")
    kinds = {row["kind"] for row in json.loads(r.stdout)["rows"]}
    assert {"python", "native", "kernel"} <= kinds


def asleep(run):
    """A process that does nothing any more."""
    process = run([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"])
    process.wait_line("ready")
    while open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()
    return process


def test_native_code_of_who_waits(glim, run):
    """The kernel counts CPU time alone: a thread's stack is copied while it stands still."""
    waiting = asleep(run)
    r = tables(glim, "-p", waiting.pid, "-n", 1, "--native", "--mode", "wall", "--json")
    rows = json.loads(r.stdout)["rows"]
    assert {"python", "native"} <= {row["kind"] for row in rows} and rows[0]["running"] == 0


def test_waiting_threads_count_in_wall_mode(glim, run):
    waiting = asleep(run)
    r = tables(glim, "-p", waiting.pid, "-n", 1, "--mode", "wall", "--json")
    table = json.loads(r.stdout)
    assert table["clock"] == "wall" and table["cores"] < 0.1
    assert table["rows"][0]["function"] == "<module>" and table["rows"][0]["self"] == 1
    r = tables(glim, "-p", waiting.pid, "-n", 1)
    assert "no CPU was used yet" in r.stdout


def test_idle_threads_are_hidden_on_demand(top, run):
    script = (
        "import threading, time; e = threading.Event()\n"
        "for i in range(4): threading.Thread(target=e.wait, name='pool').start()\n"
        "def spin():\n while True: pass\n"
        "threading.Thread(target=spin, name='größe-日本').start(); print('ready', flush=True); e.wait()"
    )
    process = run([sys.executable, "-c", script])
    process.wait_line("ready")
    screen = top("-p", process.pid, "--mode", "wall")
    screen.wait(lambda s: list(rows(s))[:1] == ["Condition.wait"])
    assert rows(screen)["spin"][0] < 30
    screen.press("i")
    screen.wait("not idle")
    screen.wait(lambda s: rows(s)["spin"][0] > 90)
    screen.press("i")
    # Who waits and who runs is seen row by row.
    screen.wait(lambda s: "TOT%   RUN%" in s.text and re.search(r"^ *[\d.]+ +[\d.]+ +0\.0 .* Condition\.wait ", s.text, re.M))
    spin = re.search(r"^ *[\d.]+ +[\d.]+ +([\d.]+) .* spin ", screen.text, re.M)
    assert float(spin[1]) > 90
    screen.press("t2")
    screen.wait("WALL%   RUN%")
    assert re.search(r"größe-日 ?本", screen.text)


def test_a_closed_pipe_ends_quietly(glim, busy):
    r = subprocess.run(
        ["/bin/sh", "-c", f"'{glim}' top -p {busy.pid} -i 0.1 | head -n 1"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.stderr == "" and r.stdout.startswith("glim top")


# ---- what cannot be done ----


@pytest.mark.parametrize(
    "options, status, message",
    [
        ([], 2, "what to watch? -p PID is one process"),
        (["-a", "-p", "1"], 2, "what to watch?"),
        (["-a", "--", "true"], 2, "what to watch?"),
        (["-a", "-i", "0"], 2, "-i must be seconds from 0.1 to 3600"),
        (["-a", "-i", "inf"], 2, "-i must be seconds"),
        (["-a", "--by", "x"], 2, "--by must be functions, lines, processes or threads"),
        (["-a", "--mode", "wall"], 2, "are for one process: use -p PID or -- COMMAND"),
        (["-p", "x"], 1, "-p takes the number of a process"),
        (["-p", "4194305"], 1, "there is no process 4194305"),
    ],
)
def test_wrong_options(glim, options, status, message):
    r = tables(glim, *options)
    assert r.returncode == status and message in r.stderr


def test_a_thread_is_no_process(glim):
    for process in os.listdir("/proc"):
        if process.isdigit() and os.path.exists(f"/proc/{process}/task"):
            others = [t for t in os.listdir(f"/proc/{process}/task") if t != process]
            if others:
                break
    r = tables(glim, "-p", others[0])
    assert r.returncode == 1 and f"is a thread of process {process}: use -p {process}" in r.stderr


def test_not_python(glim, run):
    shell = run(["/bin/sh", "-c", "echo ready; while :; do :; done"])
    shell.wait_line("ready")
    r = tables(glim, "-p", shell.pid)
    assert r.returncode == 1 and "runs no Python" in r.stderr and "--native" in r.stderr
    r = tables(glim, "-p", shell.pid, "--native", "-n", 1, "--json")
    assert json.loads(r.stdout)["samples"] > 0


def test_a_process_of_somebody_else(glim, busy):
    r = tables(glim, "-p", busy.pid, user=65534, group=65534, extra_groups=[])
    assert r.returncode == 1
    assert f"process {busy.pid} belongs to root: try sudo glim top -p {busy.pid}" in r.stderr


def test_a_terminal_that_cannot(top, busy):
    screen = top("-p", busy.pid, env={"TERM": "dumb"})
    assert screen.wait_end() == 1
    assert "the terminal cannot move its cursor" in screen.text and "-n 1" in screen.text
