"""glim record --native without the kernel's programs: threads that stand still for a moment."""

import glob
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dumps import fetched
from test_record_python import NOBODY, TARGETS, names, start

# Root that may trace, as in a container, but may not load programs into the kernel.
TRACER = ["setpriv", "--bounding-set=-all,+sys_ptrace,+dac_read_search"]
PYTHONS = sorted(
    p for v in (8, 11, 13) for p in glob.glob(os.path.expanduser(f"~/.pyenv/versions/3.{v}.*/bin/python3"))
)
LINE = re.compile(r"(.*) (\d+)")


def record(glim, *options, prefix=TRACER):
    """[(frames root first, the process before them; count)], and what it said."""
    r = subprocess.run(
        [*prefix, glim, "record", "--native", "-f", "folded", "-o", "-", *map(str, options)],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 0, r.stderr
    return [(s.split(";"), int(n)) for s, n in LINE.findall(r.stdout)], r.stderr


class Recorded:
    """What recordings of a process say together, made until there are so many samples: of what a process gets on a busy
    machine one of a few seconds may have too few for a share."""

    def __init__(self, glim, samples, *options):
        self.stacks, self.samples, self.complete, self.stops, self.each = [], 0, 0, 0, []
        for _ in range(60):
            stacks, said = record(glim, *options)
            taken, stops, each = (int(re.search(pattern, said)[1].replace(",", "")) for pattern in (
                r"([\d,]+) samples", r"stopped for a moment ([\d,]+) times", r"times, (\d+) us by the median"))
            self.stacks += stacks
            self.samples += taken
            self.complete += taken * complete(said) / 100
            self.stops += stops
            self.each.append(each)
            if self.samples >= samples:
                return
        raise AssertionError(f"{self.samples} samples in 60 recordings")


def compile_c(tmp_path, name, *flags):
    program = tmp_path / Path(name).stem
    subprocess.run(["cc", "-O1", "-pthread", *flags, "-o", program, TARGETS / name], check=True)
    return program


def of_python(frame):
    return ".py:" in frame


def complete(said):
    return float(re.search(r"([\d.]+) % with a complete stack", said)[1])


@pytest.mark.parametrize("python", PYTHONS)
def test_native_and_python_frames_alternate(glim, run, python):
    """As they called each other: Python, C, Python again."""
    p = start(run, "mixed.py", python)
    all_of_it = Recorded(glim, 600, "-p", p.pid, "-d", 3, "-F", 500)
    total = sum(n for _, n in all_of_it.stacks)
    # Three of 600: of a stack that is not complete one sample may stand for several.
    assert all_of_it.complete >= 0.995 * all_of_it.samples, all_of_it.__dict__
    seen = Counter()
    for stack, n in all_of_it.stacks:
        python_frames = [f for f in names(stack) if f in (
            "<module>", "work", "turn", "by_sort", "by_sub", "by_zlib", "key", "replace", "sub")]
        assert stack[1] == "_start" or stack[1].startswith("clone"), stack
        if "by_sort" in python_frames:
            assert python_frames[:4] == ["<module>", "work", "turn", "by_sort"]
            assert "by_sub" not in python_frames and "by_zlib" not in python_frames
        if "key" in python_frames:
            between = stack[names(stack).index("by_sort") + 2:names(stack).index("key") + 1]
            assert between and not any(map(of_python, between)), stack
            seen["key"] += n
        if "replace" in python_frames:
            between = stack[names(stack).index("sub") + 2:names(stack).index("replace") + 1]
            assert between and not any(map(of_python, between)), stack
            seen["replace"] += n
        if "by_zlib" in python_frames:
            seen["zlib"] += n
            assert not any(map(of_python, stack[names(stack).index("by_zlib") + 2:])), stack
    assert min(seen["key"], seen["replace"], seen["zlib"]) > total / 20, seen
    assert all_of_it.stops >= all_of_it.samples and min(all_of_it.each) > 0


@pytest.mark.parametrize("python", PYTHONS + fetched())
def test_what_awaits_a_task(glim, run, python):
    """Above the coroutine that runs, where C code of the event loop called it."""
    p = start(run, "awaits.py", python)
    all_of_it = Recorded(glim, 200, "-p", p.pid, "-d", 2, "-F", 300)
    stacks = all_of_it.stacks
    awaiters = ["main", "by_wait", "by_gather", "by_task", "by_await", "work"]
    chains = Counter()
    for stack, n in stacks:
        if "spin" in names(stack):
            chains[tuple(f for f in names(stack) if f in awaiters)] += n
            called, first, runs = (
                next(i for i, f in enumerate(stack) if re.match(name, f))
                for name in (r"(Handle\.)?_run \(events", r"(%s) \(" % "|".join(awaiters), r"by_await \("))
            assert called + 1 < first and not any(map(of_python, stack[called + 1 : first])), stack
            assert all(map(of_python, stack[first : runs + 1])), stack
    # In the first moments not all of them wait yet.
    assert sum(chains.values()) > 100 and chains[tuple(awaiters)] >= 0.9 * sum(chains.values()), chains
    assert all_of_it.complete >= 0.99 * all_of_it.samples, all_of_it.__dict__


def test_without_any_privilege(glim, run):
    p = start(run, "mixed.py", "/usr/bin/python3", prefix=NOBODY)
    stacks, said = record(glim, "-p", p.pid, "-d", 3, prefix=NOBODY)
    assert sum(n for s, n in stacks if "turn" in names(s) and "_start" in s) > 0
    assert complete(said) >= 90, said


def test_threads_that_wait(glim, run):
    """They are counted in wall mode, and not stopped for it."""
    p = start(run, "mixed.py")
    stacks, said = record(glim, "-p", p.pid, "-d", 2, "--mode", "wall", prefix=())
    waits = [(s, n) for s, n in stacks if "waiter" in names(s)]
    works = sum(n for s, n in stacks if "turn" in names(s))
    assert sum(n for _, n in waits) == pytest.approx(works, abs=2) and works > 20
    for stack, _ in waits:
        assert not of_python(stack[-1]) and stack[1].startswith("clone"), stack
    assert complete(said) >= 99, said


def test_a_command_and_its_status(glim):
    script = (
        "import sys, time, zlib\n"
        "end = time.process_time() + 0.3\n"
        "while time.process_time() < end: zlib.compress(bytes(100000))\n"
        "sys.exit(7)\n"
    )
    r = subprocess.run(
        [*NOBODY, glim, "record", "--native", "-F", "500", "-f", "folded", "-o", "-", "--", "/usr/bin/python3", "-c", script],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 7, r.stderr
    stacks = [(s.split(";"), int(n)) for s, n in LINE.findall(r.stdout)]
    assert sum(n for s, n in stacks if any("deflate" in f for f in s) and "<module>" in names(s)) > 3, r.stdout


def test_a_program_without_python(glim, run, tmp_path):
    p = run([compile_c(tmp_path, "shares.c"), "sorter"])
    p.wait_line("ready")
    all_of_it = Recorded(glim, 500, "-p", p.pid, "-d", 3, "-F", 500)
    stacks = all_of_it.stacks
    total = sum(n for _, n in stacks)
    main = sum(n for s, n in stacks if s[1] == "_start" and "main" in s and "cycle" in s)
    sorts = sum(n for s, n in stacks if s[1].startswith("clone") and "in_thread" in s and "compare" in s)
    assert main + sorts >= 0.99 * total, stacks
    within = Counter()
    for stack, n in stacks:
        within.update({f: n for f in stack if f in ("seventy", "twenty", "ten")})
    for name, share in ("seventy", 0.7), ("twenty", 0.2), ("ten", 0.1):
        assert within[name] / main == pytest.approx(share, abs=0.1)
    assert all_of_it.complete >= 0.995 * all_of_it.samples, all_of_it.__dict__


def test_programs_that_a_thread_starts(glim, run, tmp_path):
    """Without Python anywhere, from a thread that is not the main one."""
    program = compile_c(tmp_path, "shares.c")
    starter = tmp_path / "starter.c"
    starter.write_text(
        "#include <pthread.h>\n#include <stdlib.h>\n"
        "static void *starts(void *program) { system(program); return NULL; }\n"
        "int main(int n, char **words) { pthread_t t; pthread_create(&t, NULL, starts, words[1]);\n"
        "\treturn pthread_join(t, NULL); }\n"
    )
    subprocess.run(["cc", "-pthread", "-o", tmp_path / "starter", starter], check=True)
    p = run([tmp_path / "starter", f"exec {program}"])
    p.wait_line("ready")
    stacks, said = record(glim, "-p", p.pid, "--subprocesses", "-d", 3)
    assert sum(n for s, n in stacks if s[0] == "shares" and "main" in s and "cycle" in s) > 0, said
    os.kill(int(Path(f"/proc/{p.pid}/task/{max(map(int, os.listdir(f'/proc/{p.pid}/task')))}/children").read_text()), 9)


@pytest.mark.parametrize("bytes_a_call", [1, 300, 3000])
def test_600_calls(glim, run, tmp_path, bytes_a_call):
    """Deeper than what is copied at first, and than what is copied at all."""
    p = run([compile_c(tmp_path, "deep.c", f"-DPAD={bytes_a_call}")])
    p.wait_line("ready")
    all_of_it = Recorded(glim, 200, "-p", p.pid, "-d", 2, "-F", 200)
    assert all_of_it.complete >= 0.995 * all_of_it.samples, all_of_it.__dict__
    for stack, _ in all_of_it.stacks:
        assert stack[1] == "_start" and stack.count("down") == 601 and stack[-1] == "bottom"


@pytest.mark.parametrize("mode", ["cpu", "wall"])
def test_no_call_ends_early(glim, tmp_path, mode):
    """Calls that Linux ends with EINTR when their thread is stopped, too."""
    program = compile_c(tmp_path, "waits.c")
    p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    stacks, said = record(glim, "-p", p.pid, "-d", 2, "-F", 1000, "--mode", mode)
    said_by_target, _ = p.communicate()
    turns, early = map(int, re.search(r"(\d+) turns, (\d+) early", said_by_target).groups())
    assert turns > 100 and early == 0
    assert sum(n for _, n in stacks) > 10 and "stopped for a moment" in said, said


TRACES = "import ctypes, sys; assert not ctypes.CDLL(None).ptrace(0x4206, %d, 0, 0); print('ready', flush=True); sys.stdin.read()"


def test_who_is_traced(glim, run):
    p = start(run, "shares.py")
    with subprocess.Popen([sys.executable, "-c", TRACES % p.pid], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout.readline() == b"ready\n"
        r = subprocess.run([*TRACER, glim, "record", "-p", str(p.pid), "--native", "-o", "/dev/null", "-f", "folded"],
                           capture_output=True, text=True, timeout=120)
        tracer.communicate()
    assert r.returncode == 1
    assert re.search(rf"is traced by \S+ \({tracer.pid}\)", r.stderr) and "leave --native away" in r.stderr, r.stderr
