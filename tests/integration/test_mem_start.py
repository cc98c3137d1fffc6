"""What glim mem runs a script in, and which of its functions it measures."""

import subprocess
import sys

import pytest
from memory import PYTHONS, PYTHONS_3, mem, processes, script, version

OLD = next(p for p in PYTHONS_3 if version(p).startswith("3.8."))
OTHER = PYTHONS_3[0]


def number(python):
    return version(python).rsplit(".", 1)[0]


@pytest.mark.parametrize("line", ["#!{python}", "#! {python} -u", "#!/usr/bin/env python{number}",
                                  "#!/usr/bin/env -S python{number} -u",
                                  "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''"])
def test_a_script_runs_in_what_its_first_line_says(glim, tmp_path, line):
    path = script(tmp_path, line.format(python=OLD, number=number(OLD)) +
                  "\nimport sys\nprint(sys.argv[1:], sys.stdout.write_through)\n")
    r = mem(glim, path, "-x")
    (process,) = processes(r)
    assert process["python"] == number(OLD)
    assert r.stdout.startswith(f"['-x'] {'-u' in line}")


@pytest.mark.parametrize("line, says", [("#!/nowhere/python3.9 -E", "/nowhere/python3.9, which is not there"),
                                        ("#!/usr/bin/env python3.99", "python3.99, which is not there"),
                                        ("#!/bin/bash", "/bin/bash, which is no Python"),
                                        ("#!/usr/bin/env -S uv run --script", "uv, which is no Python"),
                                        ("#!\x1b[31mred", "\\x1b[31mred, which is no Python")])
def test_a_script_of_no_python_is_told(glim, tmp_path, line, says):
    path = script(tmp_path, line + "\nprint('it ran')\n")
    r = mem(glim, path, expect=2)
    assert says in r.stderr and "--python" in r.stderr and "it ran" not in r.stdout


def test_an_interpreter_that_is_asked_for_comes_first(glim, tmp_path):
    path = script(tmp_path, f"#!{OLD}\nkept = 1\n")
    (process,) = processes(mem(glim, "--python", number(OTHER), path))
    assert process["python"] == number(OTHER)
    assert processes(mem(glim, script(tmp_path, "#!\nkept = 1\n")))
    assert "Python 1.1" in mem(glim, "--python", "1.1", path, expect=2).stderr
    assert "No such file" in mem(glim, tmp_path / "nothing.py", expect=2).stderr


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    script(folder, "", "__init__.py")
    script(folder, "class C:\n    def work(self):\n        return 1\n", "other.py")
    script(folder, "import json\nfrom app import other\ndef main():\n    other.C().work()\n    json.dumps(1)\nmain()\n",
           "__main__.py")
    return tmp_path


@pytest.mark.parametrize("python", PYTHONS, ids=version)
def test_only_what_is_asked_for(glim, app, python):
    def measured(*patterns):
        options = [o for p in patterns for o in ("--only", p)]
        (process,) = processes(mem(glim, *options, "--python", python, "-m", "app", cwd=app))
        return sorted((f["file"].rsplit("/", 1)[-1], f["function"].rsplit(".", 1)[-1]) for f in process["functions"])

    main, work = ("__main__.py", "main"), ("other.py", "work")
    # site and runpy, which start Python, have functions of these names, too.
    assert measured("main", "_run_module_as_main") == [main]
    assert measured("main", "work", "nothing") == [main, work]
    assert ("__init__.py", "dumps") in measured("json/*")
    assert measured("app/o*.py") == [("other.py", "<module>"), ("other.py", "C"), work]


def test_only_is_for_lines(glim):
    r = subprocess.run([glim, "mem", "--only", "main", "--leaks", "x.py"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 2 and "--only" in r.stderr
