"""Shared by the tests of glim dump: interpreters, programs under them, dumps."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, Process


def run(glim, *options, **more):
    return subprocess.run([glim, "dump", *map(str, options)], capture_output=True, text=True,
                          errors="replace", timeout=120, **more)


def dump(glim, pid, *options, text=False):
    r = run(glim, "-p", pid, *([] if text else ["--json"]), *options)
    assert r.returncode == 0, r.stderr
    return r.stdout if text else json.loads(r.stdout)


def interpreters():
    found = ["/usr/bin/python3"]
    for path in sorted(Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python3")):
        if 8 <= int(path.parts[-3].split(".")[1]) <= 13:
            found.append(str(path))
    return found


def fetched():
    """Those of ./dev pythons that are later than all others."""
    return [str(p) for p in sorted((ROOT / "build-pythons").glob("*-3.1[45]/python"))]


@pytest.fixture(params=interpreters(), ids=lambda p: "-".join(Path(p).parts[-3:-2] + (Path(p).name,)))
def python(request):
    return request.param


@pytest.fixture
def target(python):
    started = []

    def start(script, *args, env=None, **more):
        p = Process([python, "-B", script, *args], env={"PYTHONUTF8": "1", **(env or {})}, **more)
        started.append(p)
        p.wait_line("ready")
        return p

    yield start
    for p in started:
        p.stop(9)
