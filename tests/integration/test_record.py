"""glim record: the whole machine into a file."""

import gzip
import os
import re
import signal
import stat
import subprocess

import pytest

from screen import written_to_terminal

SUMMARY = re.compile(
    r"glim record: ([\d,]+) samples in ([\d.]+) s, ([\d.]+) % with a complete stack, "
    r"([\d,]+) lost, in (.*)"
)


@pytest.fixture
def busy(run):
    """A shell that does nothing but work."""
    return run(["/bin/sh", "-c", "while :; do :; done"])


def record(glim, *options, timeout=120):
    return subprocess.run(
        [glim, "record", "-a", *map(str, options)], capture_output=True, text=True, timeout=timeout
    )


def folded(text):
    """{stack: count}"""
    return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in text.splitlines()}


def test_a_duration_into_a_folded_file(glim, busy, tmp_path):
    out = tmp_path / "out.folded"
    r = record(glim, "-d", 1, "-o", out)
    assert r.returncode == 0, r.stderr
    assert r.stdout == ""
    found = SUMMARY.search(r.stderr)
    samples = int(found[1].replace(",", ""))
    assert float(found[2]) > 0.9 and found[5] == str(out)
    stacks = folded(out.read_text())
    assert sum(stacks.values()) == samples
    shell = sum(n for s, n in stacks.items() if s.startswith(("sh;", "dash;")))
    assert shell > 0 and samples > 30
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_standard_output(glim, busy):
    r = record(glim, "-d", 1, "-f", "folded", "-o", "-")
    assert r.returncode == 0
    assert sum(folded(r.stdout).values()) > 30
    assert SUMMARY.search(r.stderr)[5] == "standard output"


def test_pprof_by_default(glim, busy, tmp_path):
    p = subprocess.run(
        [glim, "record", "-a", "-d", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert p.returncode == 0, p.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["glim.pb.gz"]
    assert len(gzip.decompress((tmp_path / "glim.pb.gz").read_bytes())) > 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_file_written(glim, run, busy, tmp_path, number):
    out = tmp_path / "out.folded"
    p = run([glim, "record", "-a", "-o", out])
    p.wait_line("Ctrl-C ends")
    p.send(number)
    assert p.wait() == 0
    assert SUMMARY.search(p.output)
    assert out.exists()


def test_the_old_file_stays_until_the_new_one_is_whole(glim, run, busy, tmp_path):
    out = tmp_path / "out.folded"
    out.write_text("old")
    link = tmp_path / "link.folded"
    link.symlink_to(out)
    p = run([glim, "record", "-a", "-o", link])
    p.wait_line("Ctrl-C ends")
    assert out.read_text() == "old"
    p.popen.kill()
    p.wait()
    assert out.read_text() == "old"
    assert record(glim, "-d", 1, "-o", link).returncode == 0
    assert link.is_symlink() and out.read_text() != "old"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["link.folded", "out.folded"]


def test_a_device_is_written_into_not_replaced(glim, busy, tmp_path):
    fifo = tmp_path / "pipe.folded"
    os.mkfifo(fifo)
    # Into a file: nobody reads a pipe of ours before the recording is over, and it may hold less than there is.
    with open(tmp_path / "read", "wb") as read:
        reader = subprocess.Popen(["cat", fifo], stdout=read)
    r = record(glim, "-d", 1, "-o", fifo)
    assert r.returncode == 0, r.stderr
    assert reader.wait(120) == 0
    assert sum(folded((tmp_path / "read").read_text()).values()) > 30
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_progress_on_a_terminal(glim, busy, tmp_path):
    argv = [glim, "record", "-a", "-d", "2", "-o", tmp_path / "out.folded"]
    status, seen = written_to_terminal(argv, stream="stderr")
    assert status == 0
    lines = re.findall(rb"\r\d+ s: [\d,]+ samples, \d+/s, [\d,]+ lost, to ", seen)
    assert lines
    assert SUMMARY.search(seen.decode().replace("\r", ""))


def test_the_frequency_counts(glim, busy):
    def rate(hz):
        """Samples a second: on a full machine names come late, and the recording is longer for that."""
        r = record(glim, "-d", 1, "-F", hz, "-f", "folded", "-o", "-")
        return sum(folded(r.stdout).values()) / float(SUMMARY.search(r.stderr)[2])

    assert rate(400) > 4 * rate(20)


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "-a is the whole machine"),
        (["-a", "-p", "1"], "what to record?"),
        (["-p", "1", "--", "ls"], "what to record?"),
        (["-p", "1", "--mode", "gpu"], "--mode must be"),
        (["-a", "--mode", "wall"], "are for one process"),
        (["-a", "--", "ls"], "what to record?"),
        (["-a", "-d", "0"], "-d must be a number"),
        (["-a", "-F", "1000000"], "-F must be a number"),
        (["-a", "-f", "svg"], 'no format "svg"'),
        (["-a", "-o", "out.what"], "does not tell the format"),
        (["-a", "--nonsense"], "no option --nonsense"),
    ],
)
def test_wrong_usage(glim, options, words):
    r = subprocess.run([glim, "record", *options], capture_output=True, text=True, timeout=120)
    assert r.returncode == 2
    assert words in r.stderr and "glim help record" in r.stderr


@pytest.mark.parametrize(
    "path, words", [("/nonexistent/x.folded", "No such file"), ("/tmp", "it is a folder")]
)
def test_a_place_that_cannot_be_written_is_said_before(glim, path, words):
    r = record(glim, "-f", "folded", "-o", path)
    assert r.returncode == 1
    assert words in r.stderr


def test_without_privileges(glim, tmp_path):
    tmp_path.chmod(0o777)
    r = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
         "--bounding-set=-all", glim, "record", "-a", "-f", "folded", "-o", "/tmp/glim-nobody"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 1
    assert r.stderr.startswith("glim record: ") and len(r.stderr.splitlines()) == 1
    assert "root" in r.stderr or "CAP_" in r.stderr
    assert not os.path.exists("/tmp/glim-nobody")


@pytest.mark.parametrize("suffix", [".pb.gz", ".otlp", ".speedscope.json", ".html"])
def test_the_name_of_the_file_tells_the_format(glim, busy, tmp_path, suffix):
    out = tmp_path / f"x{suffix}"
    r = record(glim, "-d", 1, "-o", out)
    assert r.returncode == 0, r.stderr
    if suffix == ".html":
        assert '<script type="application/json" id="data">{' in out.read_text()
        return
    r = subprocess.run([glim, "report", out, "--by", "process"], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0 and re.search(r"  (sh|dash)$", r.stdout, re.M), r.stdout + r.stderr
