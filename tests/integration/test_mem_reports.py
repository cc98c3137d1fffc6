"""What glim mem shows, and where: tables, JSON, a plot, profiles in files. Whether it is right: tests/truth/test_memory.py."""

import json
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

SOURCE = """
KEPT = []

def keep(n):
    KEPT.append(bytearray(n))

def work():
    keep(8 << 20)
    big = bytearray(32 << 20)
    del big
    return len(KEPT)

work()
"""


@pytest.fixture
def mem(glim, tmp_path):
    (tmp_path / "app.py").write_text(SOURCE)

    def call(*options, status=0, program="app.py"):
        r = subprocess.run([glim, "mem", "--python", sys.executable, *options, program], cwd=tmp_path, timeout=120,
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert r.returncode == status, r.stderr
        return r

    return call


def test_the_table_that_people_know(mem):
    r = mem("--allocated")
    tables = r.stdout.split("Filename: ")[1:]
    assert len(tables) == 3 and all(t.startswith(tables[0].split()[0]) for t in tables)
    work = next(t for t in tables if "big = " in t)
    rows = {line[48:].strip(): line.split()[1:6] for line in work.splitlines() if "MiB" in line}
    assert rows["big = bytearray(32 << 20)"][2:5] == ["32.000", "MiB", "1"]
    assert rows["del big"][2:5] == ["-32.000", "MiB", "1"]
    assert rows["keep(8 << 20)"][2:5] == ["8.000", "MiB", "1"]
    assert "glim mem: peak 4" in r.stderr and "app.py:9 (work)" in r.stderr


def test_columns_and_precision(mem):
    out = mem("--allocated", "--own", "--peak-in-line", "--precision", "1").stdout
    head = next(line for line in out.splitlines() if line.startswith("Line #"))
    assert head.split() == "Line # Mem usage Increment Own Peak in line Occurrences Line Contents".split()
    row = next(line for line in out.splitlines() if line.endswith("keep(8 << 20)"))
    assert row.split()[3:10] == ["8.0", "MiB", "0.0", "MiB", "8.0", "MiB", "1"]


def test_only_marked_functions_where_there_are_marks(mem, tmp_path):
    (tmp_path / "marked.py").write_text(SOURCE.replace("def keep", "@profile\ndef keep"))
    out = mem(program="marked.py").stdout
    assert out.count("Filename: ") == 1 and "@profile" in out and "big = " not in out


def test_json(mem):
    run = json.loads(mem("--json", "--allocated").stdout)
    (process,) = run["processes"]
    assert process["measure"] == "allocated" and process["end"] > process["start"] and run["damaged"] == 0
    lines = {line["line"]: line for f in process["functions"] for line in f["lines"]}
    assert lines[9]["own"] >= 32 << 20 > lines[8]["increment"] >= 8 << 20 > lines[8]["own"]
    timeline = process["timeline"]
    assert len(timeline["seconds"]) == len(timeline["resident"]) == len(timeline["allocated"])
    assert process["peak"]["line"] == 9 and process["peak"]["bytes"] > 40 << 20


def test_plot_and_page_and_table_at_once(mem, tmp_path):
    r = mem("--plot", "m.svg", "--html", "m.html", "-o", "m.txt")
    assert not r.stdout and "m.html" in r.stderr
    assert xml.parse(tmp_path / "m.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "Filename: " in (tmp_path / "m.txt").read_text()
    assert "bytearray(32" in (tmp_path / "m.html").read_text()


def test_who_holds_what(mem):
    peak = mem("--peak", "-n", "1").stdout.splitlines()
    assert peak[0].endswith("at the peak") and "32.0" in peak[3] and "app.py:9" in peak[3], peak
    leaks = mem("--leaks", "-n", "1").stdout
    assert "never freed" in leaks and "keep  app.py:5\n" in leaks and "work  app.py:8\n" in leaks


def test_what_is_left_out_is_summed_up(mem):
    rows = [line.split() for line in mem("--leaks", "-n", "1").stdout.splitlines() if " MiB " in line]
    (whole, first, rest) = (float(row[0]) for row in rows)
    assert rows[2][4:6] == ["...", "and"] and abs(first + rest - whole) < 0.002 and rest > 0
    (process,) = json.loads(mem("--leaks", "--json", "-n", "1").stdout)["processes"]
    leaks = process["leaks"]
    (stack,) = leaks["stacks"]
    assert leaks["stacks_left_out"] > 0 and leaks["bytes_left_out"] + stack["bytes"] == leaks["bytes"]
    assert leaks["blocks_left_out"] + stack["blocks"] == leaks["blocks"]


def test_profiles_say_of_which_process_they_are(mem, tmp_path):
    (tmp_path / "fork.py").write_text(SOURCE.replace("\nwork()", "\nimport os\npid = os.fork()\nwork()\npid and os.wait()"))
    mem("--leaks", "-o", "leaks.folded", program="fork.py")
    lines = (tmp_path / "leaks.folded").read_text().splitlines()
    assert lines and all(line.startswith("fork.py;") for line in lines)
    (row,) = (line for line in lines if "keep (fork.py:5)" in line)
    assert int(row.rsplit(" ", 1)[1]) >= 16 << 20
    # The text does not tell processes apart.
    assert "other way" not in mem("--leaks", "-n", "1", program="fork.py").stdout


@pytest.mark.parametrize("name", ["leaks.pb.gz", "leaks.speedscope.json", "leaks.folded"])
def test_profiles_in_files(glim, mem, tmp_path, name):
    mem("--leaks", "-o", name)
    out = subprocess.run([glim, "report", "--json", "-n", "0", name], cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = {row["function"]: row for row in json.loads(out.stdout)["rows"]}
    assert 8 << 20 <= rows["keep"]["self"] < 9 << 20 and rows["work"]["total"] >= 8 << 20


@pytest.mark.parametrize("options, says", [
    (["--precision", "x"], "--precision"), (["-o", "/nowhere/x"], "/nowhere"), (["--html", "/"], "folder"),
    (["--peak", "--leaks", "-o", "x.pb.gz"], "one profile a file"), (["--leaks", "-o", "x.unknown"], "x.unknown"),
])
def test_wrong_options_are_told_before_the_program_runs(mem, options, says):
    r = mem(*options, status=2)
    assert says in r.stderr and not r.stdout
