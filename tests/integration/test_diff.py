"""glim diff: what changed between two profile files."""

import json
import re
import subprocess

import pytest

BEFORE = "p;main (a.py:3);old 10\np;main (a.py:3);same 30\nq;idle 60\n"
AFTER = "p;main (a.py:4);new 40\np;main (a.py:4);same 40\nq;idle 120\n"  # twice as long, other lines


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.folded").write_text(BEFORE)
    (tmp_path / "b.folded").write_text(AFTER)
    return tmp_path / "a.folded", tmp_path / "b.folded"


def diff(glim, *arguments):
    return subprocess.run([glim, "diff", *map(str, arguments)], capture_output=True, text=True, timeout=120)


def changes(glim, *arguments):
    r = diff(glim, *arguments, "--json")
    assert r.returncode == 0, r.stderr
    return [(x["function"], round(x["change"], 3)) for x in json.loads(r.stdout)["rows"] if x["change"]]


def test_shares(glim, files):
    assert changes(glim, *files) == [("new", 0.2), ("old", -0.1), ("same", -0.1)]
    assert changes(glim, *files, "--sort", "total") == [("new", 0.2), ("old", -0.1), ("same", -0.1)]
    assert changes(glim, files[0], files[0]) == []
    text = diff(glim, *files).stdout.splitlines()
    assert text[0] == "cpu: 100 before, 200 after; shares in per cent of each"
    assert text[3].split() == ["0.0", "20.0", "+20.0", "new", "new"]
    assert text[4].split() == ["10.0", "0.0", "-10.0", "gone", "old"]


def test_amounts(glim, files):
    assert changes(glim, *files, "--absolute") == [("idle", 60), ("new", 40), ("old", -10), ("same", 10)]
    assert changes(glim, *files, "-a", "-s", "total", "-n", 2) == [("idle", 60), ("new", 40)]


def test_filter(glim, files):
    assert changes(glim, *files, "--filter", "process=p", "-n", 1) == [("new", 0.5)]


def test_stacks_with_both_counts(glim, files, tmp_path):
    out = tmp_path / "d.folded"
    assert diff(glim, *files, "-o", out).returncode == 0
    assert sorted(out.read_text().splitlines()) == [
        "p;main;new 0 40", "p;main;old 10 0", "p;main;same 30 40", "q;idle 60 120"
    ]


def page_data(path):
    """What the page that is one file holds."""
    return json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', path.read_text(), re.S)[1])


def test_a_page(glim, files, tmp_path):
    out = tmp_path / "d.html"
    assert diff(glim, *files, "-o", out).returncode == 0
    data = page_data(out)
    assert (data["total_before"], data["total"], data["absolute"]) == (100, 300, False)
    assert (data["samples_before"], data["samples"]) == (100, 300)
    nodes, names = data["nodes"], [data["strings"][i] for i in data["frames"]["name"]]
    sides = {
        names[f]: (before, total - before)
        for f, before, total in zip(nodes["frame"], nodes["total_before"], nodes["total"]) if f >= 0
    }
    assert sides == {
        "p": (40, 80), "main": (40, 80), "old": (10, 0), "new": (0, 40), "same": (30, 40), "q": (60, 120), "idle": (60, 120),
    }
    assert diff(glim, *files, "-a", "-o", out).returncode == 0
    assert page_data(out)["absolute"] is True


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["x", "y", "-o", "d.pb.gz"], 2, "written as .html or as text, not as pprof"),
        (["x"], 2, "which two files?"),
        (["x", "y", "--sort", "name"], 2, "--sort takes self or total"),
        (["/nonexistent", "y"], 1, "cannot read /nonexistent"),
    ],
)
def test_what_is_wrong_is_said(glim, arguments, status, words):
    r = diff(glim, *arguments)
    assert r.returncode == status and words in r.stderr and r.stdout == ""


def test_an_old_file_is_not_lost_when_the_disk_is_full(glim, files, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        out = disk / "x.folded"
        out.write_text("old")
        many = tmp_path / "many.folded"
        many.write_text("".join(f"p;{'f' * 100}{i} 1\n" for i in range(2000)))
        r = subprocess.run(
            [glim, "report", many, "-o", out], capture_output=True, text=True, timeout=120
        )
        assert r.returncode == 1 and "No space left" in r.stderr
        assert out.read_text() == "old"
        assert [f.name for f in disk.iterdir()] == ["x.folded"]  # nothing half-written stays
    finally:
        subprocess.run(["umount", disk], check=True)
