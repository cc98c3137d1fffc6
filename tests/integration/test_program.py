"""The program as one file: static, position independent, small, and running where there is nothing.

The chroots need root. The one with Debian 11 is made once and kept in build-cache/.
"""

import os
import re
import shutil
import struct
import subprocess
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build-cache"
MAX_SIZE = 12_000_000
ET_DYN, PT_DYNAMIC, PT_INTERP, DT_NEEDED, SHT_SYMTAB = 3, 2, 3, 1, 2  # System V ABI, chapters 4, 5


class Elf:
    """As much of a 64-bit little-endian ELF file as these tests ask about."""

    def __init__(self, path):
        self.data = path.read_bytes()
        assert self.data[:6] == b"\x7fELF\x02\x01"
        self.type = struct.unpack_from("<H", self.data, 16)[0]
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", self.data, 54)
        # p_type, p_offset, p_filesz
        self.segments = []
        for i in range(phnum):
            at = phoff + i * phsize
            kind = struct.unpack_from("<I", self.data, at)[0]
            offset = struct.unpack_from("<Q", self.data, at + 8)[0]
            size = struct.unpack_from("<Q", self.data, at + 32)[0]
            self.segments.append((kind, offset, size))
        self.sections = [
            struct.unpack_from("<I", self.data, shoff + i * shsize + 4)[0] for i in range(shnum)
        ]

    def dynamic_tags(self):
        for kind, offset, size in self.segments:
            if kind == PT_DYNAMIC:
                for at in range(offset, offset + size, 16):
                    yield struct.unpack_from("<Q", self.data, at)[0]


def test_is_one_static_pie(glim):
    elf = Elf(glim)
    kinds = [kind for kind, _, _ in elf.segments]
    assert elf.type == ET_DYN, "addresses must be random: position independent"
    assert PT_INTERP not in kinds, "needs a dynamic loader"
    assert DT_NEEDED not in list(elf.dynamic_tags()), "needs a shared library"


def test_is_small_and_stripped(glim):
    assert glim.stat().st_size < MAX_SIZE
    assert SHT_SYMTAB not in Elf(glim).sections, "not stripped"


def mirror():
    """Where apt gets Debian from: deb822 files and one-line lists are both read."""
    apt = Path("/etc/apt")
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = {
                k.lower(): v.strip() for k, v in re.findall(r"(?m)^([\w-]+):(.*)$", stanza)
            }
            uri = fields.get("uris", "").split()
            if uri and re.search(r"/debian/?$", uri[0]) and fields.get("enabled") != "no":
                return uri[0]
    for path in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        if path.exists():
            found = re.search(r"(?m)^deb\s+(?:\[[^]]*\]\s*)?(\S+/debian/?)\s", path.read_text())
            if found:
                return found[1]
    raise AssertionError("apt knows no Debian mirror")


@pytest.fixture(scope="session")
def debian11():
    """A Debian 11 without anything else."""
    root = CACHE / "bullseye"
    ready = CACHE / "bullseye.ready"
    if not ready.exists():
        shutil.rmtree(root, ignore_errors=True)
        CACHE.mkdir(exist_ok=True)
        log = CACHE / "bullseye.log"
        with open(log, "wb") as out:
            status = subprocess.run(
                ["debootstrap", "--variant=minbase", "bullseye", root, mirror()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            ).returncode
        assert status == 0, log.read_text(errors="replace")[-2000:]
        ready.touch()
    assert (root / "etc/debian_version").read_text().startswith("11")
    return root


@pytest.fixture(params=["empty", "debian11"])
def inside(request, glim, tmp_path):
    """A folder to become the root of the program, with the program in it, as argv to start it."""
    if request.param == "empty":
        root = tmp_path / "root"
        root.mkdir()
    else:
        root = request.getfixturevalue("debian11")
    shutil.copy(glim, root / "glim")
    # Its own data folder each time: the cached root is used again.
    shutil.rmtree(root / "glim-test", ignore_errors=True)
    yield ["chroot", root, "/glim"]
    shutil.rmtree(root / "glim-test", ignore_errors=True)
    (root / "glim").unlink()


def call(argv, *args):
    return subprocess.run(
        [*argv, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "GLIM_KEY": "glim_x"},
        text=True,
        timeout=120,
    )


def test_version_and_help_run_there(inside):
    version = call(inside, "--version")
    assert version.returncode == 0 and re.fullmatch(r"glim \d+\.\d+\.\d+\n", version.stdout)
    help_text = call(inside, "help")
    assert help_text.returncode == 0
    for command in ("agent", "server", "record", "doctor"):
        assert re.search(rf"(?m)^  {command} ", help_text.stdout)
        of_command = call(inside, "help", command)
        assert of_command.returncode == 0 and f"glim {command}" in of_command.stdout


def test_doctor_runs_there(inside):
    """Without /proc and /sys there is nothing to profile; it says so and does not crash."""
    answer = call(inside, "doctor")
    assert answer.returncode == 1, answer.stdout
    assert re.search("BTF", answer.stdout, re.I)


def test_agent_refuses_in_one_sentence_there(inside):
    """Here the kernel's type information cannot be seen: one sentence, exit status 1."""
    answer = call(inside, "agent", "--server", "http://127.0.0.1:1", "--service", "x")
    assert answer.returncode == 1, answer.stdout
    assert len(answer.stdout.strip().splitlines()) <= 2, answer.stdout


def test_server_runs_there(inside, run):
    server = run([*inside, "server", "--listen", "127.0.0.1:0", "--data", "/glim-test"])
    url = server.wait_line(r"(http://127\.0\.0\.1:\d+/)")[1]
    with urllib.request.urlopen(url + "healthz", timeout=120) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(url, timeout=120) as answer:
        assert b"<!doctype html" in answer.read().lower()
    data = Path(inside[1]) / "glim-test"
    assert data.stat().st_mode & 0o777 == 0o700
    assert server.stop() == 0
