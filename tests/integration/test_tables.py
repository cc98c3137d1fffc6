"""Unwind tables of large programs are made beside the samples, which wait for them and for nothing
else."""

import json
import os
import struct
import subprocess

import pytest

from collector import Collector

FUNCTIONS = 200_000
BASE, PAGE, HEADERS = 0x400000, 4096, 64 + 2 * 56


def record(body):
    """A record of .eh_frame (Linux Standard Base, 10.6), of a multiple of four bytes."""
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<I", len(body)) + body


def write_large_program(path):
    """A program that spins in a function that its start calls, with as much call frame information
    as one of 100 MB."""
    # def_cfa rsp + 8, the return address at CFA - 8; of the start: undefined, nobody called it.
    cie = record(struct.pack("<IBBBBB", 0, 1, 0, 1, 0x78, 16) + bytes([0x0C, 7, 8, 0x90, 1]))
    start, spin = bytes([0x07, 16]), bytes([0x41, 0x0E, 16])
    table, size = bytearray(struct.pack("<BBBBII", 1, 3, 0, 0, 0, 0)), 16
    first = len(table)
    table += cie
    code = BASE + (HEADERS + len(table) + FUNCTIONS * 36 + PAGE) // PAGE * PAGE
    for i in range(FUNCTIONS):
        program = start if i == FUNCTIONS - 2 else spin
        if i < FUNCTIONS - 2:  # as others do: every function is a little different
            program = bytes([0x41, 0x0E, 16, 0x41, 0x0E, 16 + i % 8 * 8, 0x48, 0x0E, 8])
        back = len(table) + 4 - first
        table += record(struct.pack("<IQQ", back, code + i * size, size) + program)
    struct.pack_into("<I", table, 4, BASE + HEADERS + first)
    text = bytearray(FUNCTIONS * size)
    at = (FUNCTIONS - 2) * size
    text[at:at + 5] = b"\xe8" + struct.pack("<i", size - 5)  # call the next function
    text[at + size:at + size + 3] = b"\x53\xeb\xfe"  # push %rbx; jmp to itself
    offset = code - BASE
    whole = offset + len(text)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, code + at, 64, 0, 0, 64,
                         56, 2, 0, 0, 0)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, whole, whole, PAGE)
    segments += struct.pack("<IIQQQQQQ", 0x6474E550, 4, HEADERS, BASE + HEADERS, BASE + HEADERS, 12,
                            12, 4)
    image = header + segments + table
    assert len(image) <= offset
    path.write_bytes(image.ljust(offset, b"\0") + text)
    path.chmod(0o755)


@pytest.fixture
def large(tmp_path, run):
    """The running program, under a name that no other test has."""
    path = tmp_path / f"large-{os.getpid() % 4096:03x}"
    write_large_program(path)
    process = run([path])
    process.comm = path.name
    return process


@pytest.fixture
def cold(tmp_path):
    """No table is known yet."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_no_sample_is_cut_for_it(glim, large, tmp_path):
    """All its samples wait until the table is there, and have their stacks then."""
    # To make it takes a second of CPU time, and the end of a recording waits for three of the wall's clock: where the
    # machine is so full that it is not there by then, the recording was too short.
    for seconds in 2, 10, 40:
        r = subprocess.run(
            [glim, "record", "-a", "-d", str(seconds), "-F", "99", "-f", "folded", "-o", "-"],
            capture_output=True, text=True, timeout=120,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / f"cold{seconds}")},
        )
        assert r.returncode == 0, r.stderr
        stacks = [line.rsplit(" ", 1)[0].split(";") for line in r.stdout.splitlines()]
        mine = [s[1:] for s in stacks if s[0] == large.comm]
        if mine and not any("not loaded" in frame for stack in mine for frame in stack):
            break
    assert mine, r.stdout
    assert not any("not loaded" in frame for stack in mine for frame in stack), mine
    # Its start, what that calls, and perhaps the kernel.
    assert all(len([f for f in s if large.comm in f or "0x" in f]) == 2 for s in mine), mine


def tables_of(state):
    return json.loads(state.read_text())["unwind_tables"]


def test_the_agent_says_what_they_cost(glim, run, tmp_path, large, cold):
    server = Collector()
    options = ["--server", server.url, "--service", "shop", "--host", "tables"]
    env = {"GLIM_KEY": "glim_key", **cold}

    def start(state, is_there):
        """An agent, when its state says so, which it writes at each window."""
        agent = run([glim, "agent", *options, "--state", state], env=env)
        server.wait(lambda: state.exists() and is_there(tables_of(state)))
        return agent

    agent = start(tmp_path / "one.json", lambda told: told["bytes"] > FUNCTIONS)
    told = tables_of(tmp_path / "one.json")
    assert told["loaded"] > 0 and told["files"] > 0
    assert told["beside"] > 0 and told["parked"] > 0, told
    assert told["parked_refused"] == 0, told
    # A drain of the ring pays for putting rows in their places, never for making a table.
    assert told["took_max_cpu_ns"] < told["cpu_ns"] / 2, told
    doctor = subprocess.run([glim, "doctor", "--json", "--state", tmp_path / "one.json"],
                            capture_output=True, text=True, timeout=120)
    checks = json.loads(doctor.stdout)["checks"]
    said = [c["detail"] for c in checks if c["name"] == "agent's tables"]
    assert any("evicted" in text and "of CPU" in text for text in said), said
    assert any(c["name"] == "agent's drains" for c in checks)
    assert agent.stop() == 0

    # What was made is known to the next agent.
    agent = start(tmp_path / "two.json", lambda told: told["cached"] > 0)
    assert agent.stop() == 0
    server.stop()


def test_an_end_while_one_is_made(glim, run, tmp_path, large, cold):
    server = Collector()
    agent = run(
        [glim, "agent", "--server", server.url, "--service", "shop", "--host", "ends", "--state",
         tmp_path / "state.json"], env={"GLIM_KEY": "glim_key", **cold},
    )
    agent.wait_line("profiling this host")
    assert agent.stop() == 0
    server.stop()
