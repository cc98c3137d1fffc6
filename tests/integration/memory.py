"""glim mem on a Python program, for its tests."""

import json
import os
import re
import subprocess
from pathlib import Path

from conftest import ROOT

PYTHONS = sorted(Path.home().glob(".pyenv/versions/[23].*/bin/python"))
PYTHONS_3 = [p for p in PYTHONS if not p.parts[-3].startswith("2.")]
# Newer ones.
FETCHED = sorted(ROOT.glob("build-pythons/*-3.1[45]/python"))
assert PYTHONS_3, "no interpreter: ./dev pythons fetches them"


def version(python):
    """3.13.0; 3.14.debian of a fetched one."""
    fetched = re.fullmatch(r"(\w+)-(3\.\d+)", python.parent.name)
    return f"{fetched[2]}.{fetched[1]}" if fetched else python.parts[-3]


def mem(glim, *arguments, expect=0, env=None, **more):
    """The run as JSON; what the program printed goes to standard error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GLIM_", "PYTHON"))}
    # Else glibc keeps what is freed, after the first large block.
    clean["MALLOC_MMAP_THRESHOLD_"] = "131072"
    r = subprocess.run([glim, "mem", "--json", *map(str, arguments)], capture_output=True, text=True,
                       timeout=120, env={**clean, **(env or {})}, **more)
    assert r.returncode == expect, r.stderr
    return r


def processes(r):
    return json.loads(r.stdout[r.stdout.index("{"):])["processes"]


def lines(process):
    """(function, line) -> its numbers; functions without what stands around them."""
    return {(f["function"].split(".")[-1], line["line"]): line
            for f in process["functions"] for line in f["lines"]}


def script(tmp_path, text, name="program.py"):
    path = tmp_path / name
    path.write_text(text)
    return path
