"""The heart: stacks, shares and processes that are known, as glim record sees them.

Every CPython 3 of pyenv is tried, and the system's own.
"""

import gzip
import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import pprof

TARGETS = Path(__file__).resolve().parents[1] / "targets"
SYSTEM = Path("/usr/bin/python3")


def interpreters():
    """{name: path}, the name short enough for the name of a process."""
    found = {"pysystem": SYSTEM}
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3")):
        found["py" + path.parents[1].name] = path
    return found


PYTHONS = interpreters()
# Names of processes, so that two runs on one machine do not see each other's.
SUFFIX = f"-{os.getpid() % 4096:03x}"


def comm(name):
    """What the kernel keeps of the name of a program."""
    return (name + SUFFIX)[:15]


def lines_of(name):
    """{mark: line number} of a target."""
    text = (TARGETS / name).read_text().splitlines()
    return {m[1]: i + 1 for i, line in enumerate(text) if (m := re.search(r"# line: (\w+)", line))}


def start(run, tmp_path, name, argv):
    """A target under a process name of its own, when it is ready."""
    link = tmp_path / comm(name)
    link.symlink_to(argv[0])
    process = run([link, *argv[1:]])
    process.wait_line("^ready$")
    return process


def record(glim, seconds, hz=99, form="folded"):
    r = subprocess.run(
        [glim, "record", "-a", "-d", str(seconds), "-F", str(hz), "-f", form, "-o", "-"],
        capture_output=True,
        timeout=seconds + 60,
    )
    assert r.returncode == 0, r.stderr
    return r.stdout


def folded(text, process):
    """[(frames root first, count)] of one process."""
    stacks = []
    for line in text.decode().splitlines():
        stack, count = line.rsplit(" ", 1)
        frames = stack.split(";")
        if frames[0] == comm(process):
            stacks.append((frames[1:], int(count)))
    return stacks


def total(stacks):
    return sum(count for _, count in stacks)


def watch(glim, process, samples, seconds=1, hz=499):
    """Stacks of one process, until there are so many: a busy machine gives it little time."""
    stacks = []
    for _ in range(60):
        stacks += folded(record(glim, seconds, hz), process)
        if total(stacks) >= samples:
            return stacks
    raise AssertionError(f"{total(stacks)} samples of {process} in a minute")


def python_only(frames):
    return [f for f in frames if re.search(r" \(.*:\d+\)$", f)]


def compile_c(tmp_path, source, *options):
    out = tmp_path / f"{source}.out"
    subprocess.run(
        ["cc", "-O1", "-g", "-pthread", "-fno-optimize-sibling-calls", *options,
         TARGETS / source, "-o", out],
        check=True,
    )
    return out


# --- Python stacks ------------------------------------------------------------------------------


def expected_stacks():
    """The main thread's Python frames, root first, and those of the other thread."""
    at = lines_of("stacks.py")
    work = [
        f"work (stacks.py:{at['work']})",
        f"outer (stacks.py:{at['for']})",
        f"generator (stacks.py:{at['yield']})",
        f"through_c (stacks.py:{at['sort']})",
        f"compare (stacks.py:{at['key']})",
        f"Brücke.über (stacks.py:{at['method']})",
        f"spin (stacks.py:{at['spin']})",
    ]
    return ([f"<module> (stacks.py:{at['module']})"] + work,
            [f"in_thread (stacks.py:{at['thread']})"] + work)


@pytest.fixture(scope="module")
def all_stacks(glim, tmp_path_factory):
    """What one recording says of stacks.py under every interpreter: {name: stacks}."""
    tmp_path = tmp_path_factory.mktemp("stacks")
    children = []
    try:
        for name, python in PYTHONS.items():
            link = tmp_path / comm(name)
            link.symlink_to(python)
            child = subprocess.Popen(
                [link, "-X", "utf8", TARGETS / "stacks.py"], stdout=subprocess.PIPE, text=True
            )
            children.append(child)
            assert child.stdout.readline() == "ready\n"
        seen = {name: [] for name in PYTHONS}
        for _ in range(20):  # sixteen threads on how many CPUs
            text = record(glim, 8, hz=499)
            for name, stacks in seen.items():
                stacks += folded(text, name)
            if min(map(total, seen.values())) >= 200:
                break
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()
    return seen


@pytest.mark.parametrize("name", PYTHONS)
def test_python_frames_by_name_file_and_line(all_stacks, name):
    stacks = all_stacks[name]
    main, thread = expected_stacks()
    assert total(stacks) >= 200
    found = Counter()
    for frames, count in stacks:
        pythons = python_only(frames)
        # Under the thread's target there are frames of threading.py.
        if "in_thread" in " ".join(pythons):
            assert "threading.py" in pythons[0]
            while "threading.py" in pythons[0]:
                pythons.pop(0)
        # All is right as far as it goes: the moment decides how deep it is.
        for expected in (main, thread):
            if pythons == expected:
                found[expected[0]] += count
    whole = total(stacks)
    # Nearly all time is spent in the deepest function; some of it in its first line.
    assert found[main[0]] > whole * 0.2, found
    assert found[thread[0]] > whole * 0.2, found
    assert sum(found.values()) > whole * 0.6, found


@pytest.mark.parametrize("name", PYTHONS)
def test_python_stacks_are_whole_and_never_wrong(all_stacks, name):
    stacks = all_stacks[name]
    names = ["<module>", "in_thread", "work", "outer", "generator", "through_c", "compare",
             "über", "spin"]
    cut = 0
    for frames, count in stacks:
        if any(f.startswith("[cut") for f in frames):
            cut += count
            continue
        order = []
        for frame in python_only(frames):
            if "stacks.py:" not in frame:
                continue
            short = frame.split(" (")[0].split(".")[-1]
            order.append(names.index(short))
        # Callers come before callees, nobody is missing in between.
        start = 0 if order[0] == 0 else 1
        expected = [start] + list(range(2, 9))
        assert order == expected[: len(order)], frames
    assert cut <= total(stacks) * 0.03, f"{cut} of {total(stacks)} cut"


@pytest.mark.parametrize("name", PYTHONS)
def test_native_leaves_stand_behind_python(all_stacks, name):
    """C code that Python called is at the leaf end: no Python frame follows native ones at the end,
    but the callback of sort does."""
    behind = 0
    for frames, count in all_stacks[name]:
        pythons = python_only(frames)
        if pythons and frames[-1] != pythons[-1] and not frames[-1].startswith("["):
            behind += count
    assert behind > 0


@pytest.mark.parametrize("name", PYTHONS)
def test_500_python_calls(glim, run, tmp_path, name):
    start(run, tmp_path, name, [PYTHONS[name], TARGETS / "deep.py"])
    stacks = watch(glim, name, 60)
    whole = 0
    for frames, count in stacks:
        pythons = [f.split(" (")[0] for f in python_only(frames)]
        if pythons[:2] == ["<module>", "down"] and pythons.count("down") == 501:
            assert pythons[502] == "bottom"
            whole += count
    assert whole > total(stacks) * 0.95


@pytest.mark.parametrize("name", PYTHONS)
def test_kernel_then_native_then_python(glim, run, tmp_path, name):
    start(run, tmp_path, name, [PYTHONS[name], TARGETS / "kernel.py"])
    stacks = watch(glim, name, 60)
    caller = f"read_zeroes (kernel.py:{lines_of('kernel.py')['read']})"
    ordered = 0
    for frames, count in stacks:
        kernel = [i for i, f in enumerate(frames) if f.endswith("_[k]")]
        if not kernel or caller not in frames:
            continue
        # Kernel frames are the last ones, all of them.
        assert kernel == list(range(kernel[0], len(frames))), frames
        python = frames.index(caller)
        if any("pread" in f for f in frames[python + 1 : kernel[0]]):
            ordered += count
    assert ordered > total(stacks) * 0.8, stacks[:5]


# --- shares -------------------------------------------------------------------------------------


def check_shares(stacks):
    whole = total(stacks)
    shares = Counter()
    for frames, count in stacks:
        for frame in frames:
            name = frame.split(" (")[0]
            if name in ("seventy", "twenty", "ten"):
                shares[name] += count * 100 / whole
    assert abs(shares["seventy"] - 70) < 3, shares
    assert abs(shares["twenty"] - 20) < 3, shares
    assert abs(shares["ten"] - 10) < 3, shares


def test_shares_are_right_within_3_points(glim, run, tmp_path):
    c = compile_c(tmp_path, "shares.c", "-fno-omit-frame-pointer")
    start(run, tmp_path, "c-shares", [c])
    start(run, tmp_path, "py-shares", [SYSTEM, TARGETS / "shares.py"])
    stacks = {"c-shares": [], "py-shares": []}
    # Nine seconds of CPU time, whatever a busy machine gives to each: were they independent, which they are
    # only when the program never has two of them in a row, 3 points would be more than four times their error.
    while min(total(s) for s in stacks.values()) < 4500:
        text = record(glim, 10, hz=499)
        for name in stacks:
            stacks[name] += folded(text, name)
    check_shares(stacks["c-shares"])
    check_shares(stacks["py-shares"])


# --- native stacks ------------------------------------------------------------------------------


@pytest.mark.parametrize("pointers", ["-fno-omit-frame-pointer", "-fomit-frame-pointer"])
def test_native_stacks(glim, run, tmp_path, pointers):
    """From the start of the program to the leaf; libc, which keeps no frame pointer, hides nobody."""
    c = compile_c(tmp_path, "shares.c", pointers)
    start(run, tmp_path, "native", [c, "sorter"])
    stacks = watch(glim, "native", 300, 3)
    main = sorting = 0
    for frames, count in stacks:
        if "cycle" in frames:
            at = frames.index("cycle")
            assert frames[at - 1] == "main"
            assert frames[0] == "_start"
            assert len(frames) == at + 1 or frames[at + 1] in ("seventy", "twenty", "ten")
            main += count
        if "use" in frames and "compare" in frames:
            assert frames[0].startswith("clone"), frames
            at = frames.index("sort_slowly")
            assert frames[at - 1] == "in_thread"
            assert frames[at + 1].startswith("qsort"), frames
            assert frames[-1] != "compare" and "compare" in frames[at + 2 :]
            sorting += count
    # Two threads of equal thirst; the CPU of one may have much else to do.
    assert main > total(stacks) * 0.05
    assert sorting > total(stacks) * 0.05
    assert main + sorting > total(stacks) * 0.97, stacks


def test_600_native_calls(glim, run, tmp_path):
    c = compile_c(tmp_path, "deep.c", "-fno-omit-frame-pointer")
    start(run, tmp_path, "c-deep", [c])
    stacks = watch(glim, "c-deep", 60)
    for frames, _ in stacks:
        frames = [f for f in frames if not f.endswith("_[k]")]
        assert frames.count("down") == 601
        assert frames[0] == "_start" and frames[-1] == "bottom"


def test_labels_name_the_thread(glim, run, tmp_path):
    c = compile_c(tmp_path, "shares.c", "-fno-omit-frame-pointer")
    child = start(run, tmp_path, "labels", [c, "sorter"])
    threads = Counter()
    for _ in range(20):
        for sample in pprof.samples(gzip.decompress(record(glim, 2, 499, form="pprof"))):
            if sample.labels.get("pid") == str(child.pid):
                assert sample.labels["process"] == comm("labels")
                threads[sample.labels["thread"]] += 1
                assert ("sort_slowly" in sample.functions) == (sample.labels["thread"] == "sorter")
        if len(threads) == 2:
            break
    assert set(threads) == {comm("labels"), "sorter"}


def test_functions_know_their_first_line(glim, run, tmp_path):
    start(run, tmp_path, "first-lines", [SYSTEM, TARGETS / "shares.py"])
    text = (TARGETS / "shares.py").read_text().splitlines()
    found = {}
    for _ in range(20):
        for sample in pprof.samples(gzip.decompress(record(glim, 2, form="pprof"))):
            if sample.labels.get("process") == comm("first-lines"):
                found |= zip(sample.functions, sample.starts)
        if {"<module>", "seventy", "use"} <= found.keys():
            break
    assert found["<module>"] == 1
    assert found["seventy"] == text.index("def seventy():") + 1
    assert found["use"] == text.index("def use(seconds):") + 1


# --- processes that come and go -----------------------------------------------------------------


@pytest.mark.parametrize("name", PYTHONS)
def test_forked_children(glim, run, tmp_path, name):
    start(run, tmp_path, name, [PYTHONS[name], TARGETS / "forks.py"])
    stacks = watch(glim, name, 200, 4, hz=99)
    child = parent = 0
    for frames, count in stacks:
        pythons = [f.split(" (")[0] for f in python_only(frames)]
        child += count * ("in_child" in pythons)
        parent += count * ("in_parent" in pythons)
    assert child > total(stacks) * 0.3
    assert parent > total(stacks) * 0.05
    # The rest is the forking itself. Children live for a blink, but their names are read in it.
    cut = sum(n for frames, n in stacks if any(f.startswith("[cut") for f in frames))
    assert cut < total(stacks) * 0.15, stacks


@pytest.mark.parametrize("name", PYTHONS)
def test_a_process_that_starts_later_and_ends(glim, run, tmp_path, name):
    """Its names are read while it lives; it is gone when the file is written."""
    link = tmp_path / comm(name)
    link.symlink_to(PYTHONS[name])
    out = tmp_path / "out.folded"
    recorder = run([glim, "record", "-a", "-F", "499", "-o", out])
    recorder.wait_line("Ctrl-C ends")
    assert run([link, "-S", TARGETS / "short.py"]).wait() == 0
    recorder.stop()
    stacks = folded(out.read_bytes(), name)
    brief = sum(n for frames, n in stacks if any(f.startswith("brief (") for f in frames))
    # 0.3 s at 499 Hz are 149 samples, give or take 12.
    assert brief > 90, stacks


# --- labels of goroutines -----------------------------------------------------------------------


def test_labels_of_goroutines(glim, run, tmp_path):
    """60, 30 and 10 of 100 parts; a key that is ours stands under another name, and what a terminal
    must not see is escaped."""
    program = tmp_path / comm("go-labels")
    subprocess.run(
        ["go", "build", "-ldflags=-s -w", "-o", program, TARGETS / "labels.go"],
        check=True,
        env={**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local"},
    )
    child = run([program])
    child.wait_line("^ready$")
    shares = Counter()
    while shares.total() < 2000:
        for sample in pprof.samples(gzip.decompress(record(glim, 5, 499, form="pprof"))):
            labels = dict(sample.labels)
            if labels.pop("pid", None) != str(child.pid):
                continue
            assert labels.pop("process") == comm("go-labels")
            labels.pop("thread")
            if "main.burn" in sample.functions:
                shares[tuple(sorted(labels.items()))] += sample.values[0]
    acme = shares.pop((("route", "/cart"), ("tenant", "acme")))
    other = shares.pop((("go.process", "mine"), ("tenant", r"bl\x1bau")))
    none = shares.pop(())
    assert not shares
    whole = acme + other + none
    assert abs(acme * 100 / whole - 60) < 6, (acme, other, none)
    assert abs(other * 100 / whole - 30) < 6, (acme, other, none)
    assert abs(none * 100 / whole - 10) < 6, (acme, other, none)
