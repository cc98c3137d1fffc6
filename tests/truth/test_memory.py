"""Memory of lines that know their own, on every interpreter of this machine: how often each ran, exactly; what it
added, exactly in allocated mode, within 64 KiB or 1 % in resident mode. The programs: memory/; right: memory_score.py."""
import json
import os
import subprocess
from pathlib import Path

import pytest

import memory_score
import pythons
import recorders

PROGRAMS = Path(__file__).resolve().parent / "memory"
# The kernel gives and takes blocks of a MiB and more at once, whatever was freed before.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "1048576"}
# Newer ones than pyenv has: ./dev pythons.
ALL = pythons.interpreters(recorders.ROOT.glob("build-pythons/*-3.1[45]/python"))
# Each interpreter runs the lines; tasks and processes change less from version to version, numpy is unpacked for two.
OTHERS = {"tasks": [(3, 7), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15)], "children": [(3, 6), (3, 10), (3, 13)],
          "arrays": [(3, 8), (3, 13)]}
MEASURES = {"resident": [], "allocated": ["--allocated"]}


def runs(measure):
    fit = [python for python in ALL if python.version >= ((2, 7) if measure == "resident" else (3, 6))]
    return [(python, "lines") for python in fit] + \
        [(python, name) for name, versions in OTHERS.items() for python in fit
         if python.version[:2] in versions and not python.name.endswith("system")]


def named(measure):
    return {"argvalues": runs(measure), "ids": ["%s-%s" % (python.name, name) for python, name in runs(measure)]}


def measure_program(python, name, folder, options):
    """What the program says, and what glim does; its status is passed on."""
    modules = recorders.ROOT / "build-venv-numpy" / ("%d.%d" % python.version[:2])
    truth, seen, program = folder / "truth.json", folder / "seen.json", PROGRAMS / (name + ".py")
    done = subprocess.run([recorders.GLIM, "mem", *options, "--json", "-o", seen, "--", python.path, program], cwd=folder,
                          env={**os.environ, **ENVIRONMENT, "TRUTH": str(truth), "PYTHONPATH": str(modules)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == (3 if name == "lines" else 0), done.stderr
    return json.loads(truth.read_text()), json.loads(seen.read_text())


def hold(python, name, folder, measure):
    truth, seen = measure_program(python, name, folder, MEASURES[measure])
    wrong = memory_score.differences(truth, seen, measure)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("python, name", **named("resident"))
def test_resident(python, name, tmp_path):
    hold(python, name, tmp_path, "resident")


@pytest.mark.parametrize("python, name", **named("allocated"))
def test_allocated(python, name, tmp_path):
    hold(python, name, tmp_path, "allocated")
