"""Programs that are no plain interpreter: several interpreters, a Python inside a C program, static, stripped, by
another name, packed into one file; threads that C made; those that ./dev pythons fetched."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

TARGETS = ROOT / "tests" / "targets"
PYTHONS = {path.name: path for path in sorted(Path.home().glob(".pyenv/versions/[23].*"))}
VERSIONS = {name: tuple(map(int, name.split(".")[:2])) for name in PYTHONS}
KINDS = ["shared", "static", "stripped"]
LINE = re.compile(r"^([^;]*);(.*) (\d+)$", re.M)


def record(glim, *options):
    r = subprocess.run([glim, "record", "-f", "folded", "-o", "-", *map(str, options)], capture_output=True, text=True,
                       timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


def chains(text, process, functions):
    """Those of the Python functions that stand in a stack of the process, root first: {chain: samples}."""
    found = {}
    for name, stack, n in LINE.findall(text):
        names = [f.split(" (")[0] for f in stack.split(";") if re.search(r" \(.*:\d+\)$", f)]
        chain = tuple(f for f in names if f in functions)
        if name == process and chain and chain[-1] == "spin":
            found[chain] = found.get(chain, 0) + int(n)
    return found


def see(glim, process, wanted, *options):
    """Record until all chains are seen that are wanted; no others may be."""
    functions = {f for chain in wanted for f in chain}
    seen = {}
    for _ in range(10):
        for chain, n in chains(record(glim, *options, "-d", 1, "-F", 200), process, functions).items():
            seen[chain] = seen.get(chain, 0) + n
        if set(seen) >= set(wanted):
            break
    assert set(seen) == set(wanted)
    return seen


def dumped(glim, pid):
    r = subprocess.run([glim, "dump", "-p", str(pid)], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


# --- several interpreters -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PYTHONS if VERSIONS[name] >= (3, 8)])
def test_interpreters_that_threads_call(glim, run, tmp_path, name):
    program = tmp_path / "several"
    program.symlink_to(PYTHONS[name] / "bin" / "python")
    p = run([program, "-B", TARGETS / "interpreters.py"])
    p.wait_line("ready")
    # What a thread runs in an interpreter that it called stands on those that called it.
    wanted = {("call", "in_main", "spin"), ("call", "in_thread", "spin"), ("own_work", "spin")}
    see(glim, "several", wanted, "-p", p.pid)
    see(glim, "several", wanted, "-a")
    # A thread is sampled once, where it is: not in the interpreter that waits for the one that it called, too.
    text = record(glim, "-p", p.pid, "-d", 1, "-F", 200, "--mode", "wall")
    called = [(stack, int(n)) for _, stack, n in LINE.findall(text) if "call (" in stack]
    inside = sum(n for stack, n in called if "in_main (" in stack or "in_thread (" in stack)
    assert inside > 4 * (sum(n for _, n in called) - inside)
    threads = re.findall(r"(?m)^Thread (?:.|\n)*?(?=\n\n|\Z)", dumped(glim, p.pid))
    for name in "in_main", "in_thread":
        stack, = (t for t in threads if "    %s (" % name in t)
        assert re.search(r"    %s \(.*\n    <module> \(<string>.*\n    call \(" % name, stack)
    assert len(threads) == 3


# --- a Python inside a C program ----------------------------------------------------------------


def build(python, kind, program):
    version = re.match(r"\d+\.\d+", python.name)[0]
    include = next((python / "include").glob("python*"))
    shared = next((python / "lib").glob("libpython%s*.so" % version))
    static = next((python / "lib").glob("python*/config*/libpython*.a"))
    library = [shared, "-Wl,-rpath,%s" % shared.parent] if kind == "shared" else \
        [static, "-Wl,--export-dynamic", "-lutil", "-ldl", "-lm", "-lz"]
    subprocess.run(["cc", "-w", "-O1", "-I", include, TARGETS / "embedded.c", "-o", program, *library, "-pthread",
                    *(["-s"] if kind == "stripped" else [])], check=True, capture_output=True)


@pytest.mark.parametrize("name, kind", [(name, KINDS[i % len(KINDS)]) for i, name in enumerate(PYTHONS)])
def test_inside_a_c_program(glim, run, tmp_path, name, kind):
    program = tmp_path / "server"
    build(PYTHONS[name], kind, program)
    p = run([program], env={"PYTHONHOME": str(PYTHONS[name]), "PYTHONDONTWRITEBYTECODE": "1"})
    p.wait_line("^second$")
    p.wait_line("^first$")
    wanted = {("first", "work", "spin"), ("second", "work", "spin")}
    see(glim, "server", wanted, "-p", p.pid)
    see(glim, "server", wanted, "-a")
    text = dumped(glim, p.pid)
    assert " first (<string>:" in text and " second (<string>:" in text


# --- threads that C made ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    out = tmp_path_factory.mktemp("library") / "c_threads.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", TARGETS / "c_threads.c", "-o", out, "-pthread"], check=True)
    return out


@pytest.mark.parametrize("name", [*PYTHONS][::3])
def test_a_thread_that_c_made(glim, run, tmp_path, library, name):
    program = tmp_path / "threads"
    program.symlink_to(PYTHONS[name] / "bin" / "python")
    p = run([program, "-B", TARGETS / "c_threads.py", library])
    p.wait_line("ready")
    see(glim, "threads", {("called", "spin")}, "-p", p.pid)
    see(glim, "threads", {("called", "spin")}, "-a")
    # The thread is between two calls now and then.
    texts = [text for text in (dumped(glim, p.pid) for _ in range(20)) if " called (" in text]
    assert texts and " waits (" in texts[0]


# --- those that ./dev pythons fetched -----------------------------------------------------------

FETCHED = sorted(ROOT.glob("build-pythons/*/python"))
LOOP = """
def spin():
    sum(range(10000))

def work():
    while True:
        spin()

print("ready", flush=True)
work()
"""


@pytest.mark.parametrize("python", [Path("/usr/bin/python3"), *FETCHED], ids=lambda p: p.parts[-2])
def test_what_is_there(glim, run, python):
    """The system's, and as many as were fetched: their versions are the names of these tests."""
    version = subprocess.check_output([python, "-c", "import sys; print('Python %d.%d' % sys.version_info[:2])"], text=True)
    p = run([python, "-B", "-c", LOOP])
    p.wait_line("ready")
    name = Path("/proc/%d/comm" % p.pid).read_text().strip()
    see(glim, name, {("work", "spin")}, "-p", p.pid)
    see(glim, name, {("work", "spin")}, "-a")
    text = dumped(glim, p.pid)
    assert "\n%s" % version.strip() in text and "    work (<string>:" in text


# --- one that lies ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0x030b07f0", "0x030c01f0"])
def test_lists_and_chains_without_an_end(glim, run, tmp_path, version):
    """It costs a moment and some memory, whatever the process tells of itself."""
    program = tmp_path / "fake"
    subprocess.run(["cc", "-O1", "-rdynamic", "-DVERSION=" + version, TARGETS / "fake_python.c", "-o", program], check=True)
    p = run([program])
    p.wait_line("ready")
    for words in ["dump"], ["dump", "--native"], ["record", "-d", "1", "-f", "folded", "-o", "-"], ["top", "-n", "1"]:
        with subprocess.Popen([glim, *words, "-p", str(p.pid)], stdout=subprocess.DEVNULL) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, words
        assert usage.ru_utime + usage.ru_stime < 20 and usage.ru_maxrss < 300 << 10, (words, usage)
