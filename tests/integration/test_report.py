"""glim report: tables of profile files, and files of one format as another."""

import json
import os
import re
import subprocess

import pytest

from screen import written_to_terminal

# Shares that are known: 60 of 100 in parse, of which 20 by way of load.
FOLDED = """\
nginx;main;send_[k] 25
python3;main (app.py:3);load (app.py:7);parse (json.py:40) 20
python3;main (app.py:4);parse (json.py:40) 10
python3;main (app.py:4);parse (json.py:41) 30
python3;main (app.py:4);walk (app.py:9);walk (app.py:9);walk (app.py:9) 15
"""
ALL = 100


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.folded"
    path.write_text(FOLDED)
    return path


def report(glim, *arguments, **more):
    return subprocess.run(
        [glim, "report", *map(str, arguments)], capture_output=True, text=True, timeout=120, **more
    )


def rows(glim, *arguments):
    r = report(glim, *arguments, "--json")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)["rows"]


def table(text):
    """[(self, total, name)] of a table of counts."""
    return [
        (int(m[1]), int(m[2]), m[3])
        for m in re.finditer(r"^ *(\d+) +[\d.]+ +(\d+) +[\d.]+  (.*)$", text, re.M)
    ]


def test_functions_by_self(glim, file):
    r = report(glim, file)
    assert r.returncode == 0 and r.stderr == ""
    assert r.stdout.splitlines()[0] == "cpu: 100 samples"
    assert table(r.stdout) == [
        (60, 60, "parse  json.py"), (25, 25, "send  [kernel]"), (15, 15, "walk  app.py"),
        (0, 75, "main  app.py"), (0, 25, "main"), (0, 20, "load  app.py"),
    ]
    assert "\033" not in r.stdout


def test_lines(glim, file):
    assert [(x["function"], x["line"], x["self"]) for x in rows(glim, file, "--lines", "-n", 3)] == [
        ("parse", 40, 30), ("parse", 41, 30), ("send", 0, 25)
    ]


def test_callers_and_callees(glim, file):
    assert table(report(glim, file, "--callers", "parse").stdout) == [
        (40, 40, "main  app.py"), (20, 20, "load  app.py")
    ]
    got = [(x["function"], x["total"]) for x in rows(glim, file, "--callees", "main")]
    assert got == [("parse", 40), ("send", 25), ("load", 20), ("walk", 15)]
    r = report(glim, file, "--callers", "nobody")
    assert r.returncode == 1 and 'no function has "nobody" in its name' in r.stderr


def test_shares_of_a_label(glim, file):
    assert rows(glim, file, "--by", "process") == [
        {"process": "python3", "total": 75, "samples": 75},
        {"process": "nginx", "total": 25, "samples": 25},
    ]


def test_filter(glim, file):
    assert {x["function"] for x in rows(glim, file, "--filter", "process=nginx")} == {"main", "send"}
    assert [x["total"] for x in rows(glim, file, "--filter", "load", "--sort", "total")] == [20] * 3
    r = report(glim, file, "--filter", "nothing")
    assert r.returncode == 1 and "no sample has" in r.stderr


@pytest.fixture
def timed(glim, file, tmp_path):
    """The same with 10 ms a sample: a file of counts does not know."""
    path = tmp_path / "timed.speedscope.json"
    assert report(glim, file, "-o", path).returncode == 0
    content = json.loads(path.read_text())
    for profile in content["profiles"]:
        profile["unit"] = "milliseconds"
        profile["weights"] = [10 * w for w in profile["weights"]]
        profile["glim"]["period"] = 10_000_000
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("suffix", [".pb.gz", ".otlp", ".speedscope.json"])
def test_every_format_there_and_back(glim, timed, tmp_path, suffix):
    there, back = tmp_path / f"y{suffix}", tmp_path / "z.folded"
    assert report(glim, timed, "-o", there).returncode == 0
    assert report(glim, there, "-o", back).returncode == 0
    assert back.read_text() == FOLDED
    assert rows(glim, there) == rows(glim, timed)


def test_a_page_holds_the_profile(glim, timed, tmp_path):
    page = tmp_path / "x.html"
    assert report(glim, timed, "-o", page).returncode == 0
    text = page.read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])
    assert (data["type"], data["unit"], data["total"], data["samples"]) == ("cpu", "nanoseconds", 10**9, ALL)
    assert sum(data["nodes"]["self"]) == 10**9 and "parse" in data["strings"]
    assert not re.search(r"https?://(?!www.w3.org/)", text)  # it asks nobody


def test_counts_stay_counts(glim, file, tmp_path):
    there = tmp_path / "y.pb.gz"
    assert report(glim, file, "-o", there).returncode == 0
    assert rows(glim, there) == rows(glim, file)
    r = report(glim, file, "-o", tmp_path / "y.otlp")
    assert r.returncode == 1 and "cpu in count" in r.stderr


def test_standard_input_and_output(glim, file):
    r = report(glim, "-", "-f", "folded", "--filter", "load", input=FOLDED)
    assert r.stdout == FOLDED.splitlines(True)[1]


def on_terminal(command, columns, env=None):
    """What a command writes to a terminal of this width."""
    status, seen = written_to_terminal(command, columns, env=env)
    assert status == 0
    return seen.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_a_terminal_is_not_overrun(glim, tmp_path, columns):
    path = tmp_path / "x.folded"
    path.write_text(f"p;{'very_long_name_' * 20};{'ä' * 100};短い名前{'名' * 90} 5\n")
    text = on_terminal([glim, "report", path], columns)
    lines = [re.sub(r"\033\[\d*m", "", line) for line in text.splitlines()]
    width = lambda s: sum(2 if ord(c) > 0x2E80 else 1 for c in s)  # noqa: E731
    assert len(lines) == 6 and max(map(width, lines)) <= columns
    assert any(width(line) >= columns - 1 and line.endswith("…") for line in lines)


def test_colours_are_for_terminals_that_want_them(glim, file):
    command = [glim, "report", file]
    assert "\033[1m" in on_terminal(command, 80, {**os.environ, "TERM": "xterm"})
    assert "\033" not in on_terminal(command, 80, {**os.environ, "NO_COLOR": "1"})
    assert "\033" not in on_terminal(command, 80, {**os.environ, "TERM": "dumb"})


def test_names_cannot_speak_to_the_terminal(glim, tmp_path):
    path = tmp_path / "x.folded"
    path.write_bytes(b"p;\x1b[31mred\x07;\xff\xfe 1\n")
    r = report(glim, path)
    assert "\\x1b[31mred\\x07" in r.stdout and "\\xff\\xfe" in r.stdout
    assert json.loads(report(glim, path, "--json").stdout)


def test_a_reader_that_goes_away(glim, tmp_path):
    path = tmp_path / "x.folded"
    path.write_text("".join(f"p;{'f' * 200}{i} 1\n" for i in range(20000)))
    p = subprocess.Popen([glim, "report", path, "-n", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.stdout.readline() == b"cpu: 20,000 samples\n"
    p.stdout.close()
    assert p.stderr.read() == b""
    p.wait(30)


def test_output_that_cannot_be_written_is_said(glim, file):
    with open("/dev/full", "w") as full:
        r = subprocess.run([glim, "report", file], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == 1 and "No space left" in r.stderr


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        ([], 2, "which file?"),
        (["a", "b"], 2, "one file at a time"),
        (["x", "--lines", "--by", "pid"], 2, "only one of"),
        (["x", "--sort", "name"], 2, "--sort takes self or total"),
        (["x", "-f", "svg"], 2, 'no format "svg"'),
        (["/nonexistent"], 1, "cannot read /nonexistent: No such file"),
        (["/etc/passwd"], 1, "/etc/passwd is no profile that Glim knows"),
        (["/dev/null"], 1, "it is empty"),
    ],
)
def test_what_is_wrong_is_said(glim, arguments, status, words):
    r = report(glim, *arguments)
    assert r.returncode == status and words in r.stderr and r.stdout == ""


def test_types_of_a_file(glim, tmp_path):
    path = tmp_path / "x.speedscope.json"
    one = {"type": "sampled", "name": "t", "samples": [[0]], "startValue": 0, "endValue": 1}
    path.write_text(json.dumps({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": [{"name": "f"}]},
        "profiles": [{**one, "unit": "seconds", "weights": [2]}, {**one, "unit": "bytes", "weights": [4096]}],
    }))
    assert report(glim, path).stdout.startswith("cpu: 2.00 s in 1 samples\n")
    assert report(glim, path, "-t", "alloc").stdout.startswith("alloc: 4.00 KiB in 1 samples\n")
    r = report(glim, path, "-t", "wall")
    assert r.returncode == 1 and "but of cpu, alloc" in r.stderr
