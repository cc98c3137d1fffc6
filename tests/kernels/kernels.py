#!/usr/bin/env python3
"""Does the release program load and sample on other kernels? Boots each in qemu and looks.

Kernels are Debian's, for clouds: the newest package of each suite, fetched by apt with sources and
lists of its own into a cache folder (env GLIM_KERNELS, or ~/.cache/glim-kernels). In each runs
glim record over a C program without frame pointers that knows its own stacks, and over Python, and
glim doctor. Both programs run on a CPU that came online after the recorder started. A line a kernel; status 1 unless all is well. Needs no root. The machine is emulated by
software, some minutes a kernel; --kvm has the host's processor do it."""

import argparse
import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "truth"))

import cases  # noqa: E402
import score  # noqa: E402

GLIM = Path(os.environ.get("GLIM", ROOT / "build" / "glim"))
CACHE = Path(os.environ.get("GLIM_KERNELS", Path.home() / ".cache" / "glim-kernels"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
SUITES = ["bullseye", "bookworm", "trixie", "sid"]  # 5.10, 6.1, 6.12 and the newest
META = "linux-image-cloud-amd64"
HZ = 499
COMPLETE = 0.99  # of the samples of a short run in a slow machine
PYTHON = Path("/usr/bin/python3")
SPIN = """
import time

def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))

def outer():
    spin(1.0)

outer()
"""


# --- kernels ------------------------------------------------------------------------------------


def apt(suite, *args, cwd=None):
    """An apt command that sees nothing but one suite, and nothing of this machine."""
    home = CACHE / suite
    for folder in ("lists/partial", "archives/partial", "parts"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "status").touch()
    (home / "sources.list").write_text("deb [signed-by=%s] %s %s main\n" % (KEYRING, MIRROR, suite))
    options = {
        "Dir::Etc::sourcelist": "sources.list", "Dir::Etc::sourceparts": "parts", "Dir::State::lists": "lists",
        "Dir::State::status": "status", "Dir::Cache": ".", "Dir::Cache::archives": "archives",
    }
    argv = [args[0]]
    for key, value in options.items():
        argv += ["-o", "%s=%s" % (key, (home / value).resolve())]
    argv += ["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none", *args[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd or home)
    if done.returncode:
        sys.exit("%s failed: %s" % (" ".join(args), done.stderr))
    return done.stdout


def kernel_of(suite, update):
    """The path of the suite's kernel image, fetched when it is not in the cache."""
    home = CACHE / suite
    known = sorted(home.glob("vmlinuz-*"))
    if known and not update:
        return known[-1]
    apt(suite, "apt-get", "-q", "update")
    package = re.search(r"Depends: (linux-image-\d\S*)", apt(suite, "apt-cache", "depends", META))[1]
    # From Debian 14 on the image is in a package of its own.
    apart = re.search(r"Depends: (linux-binary-\d\S*)", apt(suite, "apt-cache", "depends", package))
    package = apart[1] if apart else package
    with tempfile.TemporaryDirectory(dir=home) as folder:
        apt(suite, "apt-get", "-q", "download", package, cwd=folder)
        deb = next(Path(folder).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", deb, Path(folder) / "x"], check=True)
        image = next((Path(folder) / "x").glob("**/vmlinuz*"))
        for old in known:
            old.unlink()
        kept = home / ("vmlinuz-" + re.sub(r"^linux-[a-z]+-", "", package))
        shutil.copy(image, kept)
    return kept


# --- what is booted -----------------------------------------------------------------------------


def libraries(program):
    """The libraries of a dynamic program and its loader, as ldd finds them."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [Path(p) for p in re.findall(r"(/\S+) \(0x", said)]


class Archive:
    """An initial RAM file system: the "newc" format of cpio (Linux, Documentation/driver-api/early-userspace)."""

    def __init__(self):
        self.data = bytearray()
        self.names = set()

    def _entry(self, name, mode, content=b""):
        encoded = name.encode() + b"\0"
        fields = [len(self.names) + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0]
        self.data += b"070701" + b"".join(b"%08X" % f for f in fields) + encoded
        self.data += bytes(-len(self.data) % 4) + content
        self.data += bytes(-len(self.data) % 4)
        self.names.add(name)

    def add(self, name, content, mode=0o755):
        """A file, and the folders above it."""
        name = name.strip("/")
        above = name.split("/")[:-1]
        for i in range(1, len(above) + 1):
            if "/".join(above[:i]) not in self.names:
                self._entry("/".join(above[:i]), stat.S_IFDIR | 0o755)
        if name not in self.names:
            self._entry(name, stat.S_IFREG | mode, content)

    def add_program(self, path, name=None):
        self.add(name or str(path), path.read_bytes())
        for library in libraries(path):
            self.add(str(library), library.read_bytes())

    def bytes(self):
        self._entry("TRAILER!!!", 0)
        return bytes(self.data)


def add_python(archive):
    """The system's Python and the part of its library that a start wants."""
    archive.add_program(PYTHON.resolve(), str(PYTHON))
    said = subprocess.run([PYTHON, "-c", "import os; print(os.__file__)"], capture_output=True, text=True, check=True)
    library = Path(said.stdout.strip()).parent
    for path in [*library.glob("*.py"), *library.glob("encodings/*.py"), *library.glob("collections/*.py"),
                 *library.glob("importlib/*.py")]:
        archive.add(str(path), path.read_bytes(), 0o644)
    archive.add("spin.py", SPIN.encode(), 0o644)


def initial_files(folder):
    archive = Archive()
    init = folder / "init"
    cases.call(["cc", "-static", "-O2", "-Wall", "-Wno-format-nonliteral", "-o", init, HERE / "init.c"])
    native = cases.compile_case(cases.BY_NAME["omit-fp"], folder / "native")
    archive.add("init", init.read_bytes())
    archive.add("glim", GLIM.read_bytes())
    archive.add_program(native, "native")
    if PYTHON.exists():
        add_python(archive)
    path = folder / "initrd"
    path.write_bytes(gzip.compress(archive.bytes(), 1))
    return path


# --- booting ------------------------------------------------------------------------------------


def boot(kernel, initrd, folder, timeout, kvm):
    """What init told, and the kernel's own messages."""
    told, messages = folder / "told", folder / "messages"
    for path in (told, messages):
        path.write_text("")
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-m", "1024", "-smp", "2",
            *(["-enable-kvm", "-cpu", "host"] if kvm else ["-cpu", "max"]),
            "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 loglevel=5 maxcpus=1",
            "-serial", "file:%s" % messages, "-serial", "file:%s" % told]
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=timeout, check=True, capture_output=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as e:
        with messages.open("a") as f:
            f.write("\nqemu: %s" % e)
    return (told.read_text(errors="replace").replace("\r", ""), messages.read_text(errors="replace"))


def section(told, begin, end):
    found = re.search(r"^@@ %s\n(.*?)^@@ %s" % (begin, end), told, re.S | re.M)
    return found[1] if found else ""


def judge(told):
    """(line of figures, problems)"""
    problems = re.findall(r"^@@ failed: (.*)$", told, re.M)
    ran = re.search(r"^@@ ran (\d+) ([\d.]+)$", told, re.M)
    if not ran:
        said = re.findall(r"^@@ record (.*)$", told, re.M)
        return "", problems + ["glim record did not start: " + " ".join(said[-3:]) if said else "did not boot"]
    # The dynamic loader, slow in emulation, is not what the program knows of itself.
    folded = re.sub(r"^native;ld-linux.*\n", "", section(told, "folded", "doctor"), flags=re.M)
    stacks, marks = score.read_folded(folded, "native", "native")
    s = score.score(score.Truth(section(told, "truth", "ran")), stacks, marks, HZ, float(ran[2]))
    python = [line for line in folded.splitlines() if line.startswith("python3;") and ";spin (spin.py:" in line]
    counts = sum(int(line.rsplit(" ", 1)[1]) for line in python)
    if s.samples < 500:
        problems.append("%d samples" % s.samples)
    if s.complete < COMPLETE:
        problems.append("%.1f %% right" % (100 * s.complete))
        problems += [line.strip() for line in score.details(s).splitlines()]
    if s.impossible:
        problems.append("impossible calls: " + ", ".join(s.edges))
    if PYTHON.exists() and counts < 100:
        problems.append("%d samples with Python's names" % counts)
    doctor = re.search(r"^@@ doctored (\d+)$", told, re.M)
    if not doctor or doctor[1] != "0":
        problems.append("glim doctor complains")
    return "%d native samples, %.1f %% right, %d of Python" % (s.samples, 100 * s.complete, counts), problems


def main():
    p = argparse.ArgumentParser(prog="./dev kernels", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("suite", nargs="*", default=SUITES, help="Debian's suites (%s)" % " ".join(SUITES))
    p.add_argument("--update", action="store_true", help="look for newer kernels")
    p.add_argument("--timeout", type=int, default=600, help="seconds for one kernel (600)")
    p.add_argument("--kvm", action="store_true", help="use /dev/kvm")
    p.add_argument("--verbose", action="store_true", help="all that was told")
    options = p.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="glim-kernels-") as folder:
        folder = Path(folder)
        initrd = initial_files(folder)
        for suite in options.suite:
            kernel = kernel_of(suite, options.update)
            began = time.monotonic()
            told, messages = boot(kernel, initrd, folder, options.timeout, options.kvm)
            figures, problems = judge(told)
            failed += bool(problems)
            print("%-10s %-28s %s %4d s  %s" % (suite, kernel.name.partition("-")[2],
                                                "FAILED" if problems else "ok    ", time.monotonic() - began, figures),
                  flush=True)
            for problem in problems:
                print("    " + problem)
            if options.verbose or problems:
                print("    " + "\n    ".join((section(told, "doctor", "doctored") if figures else
                                              messages[-3000:] + told[-3000:]).splitlines()))
            if options.verbose:
                print(told)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
