"""Greenlets and those of gevent, with the stacks that they are known to have: glim dump, glim record."""

import re
import subprocess
from collections import Counter

import pytest

from conftest import ROOT
from dumps import dump, interpreters, python, target  # noqa: F401
from test_dump_tasks import marks
from test_record_python import names, record_periods

TARGETS = ROOT / "tests" / "targets"
PLAIN, GEVENT, BUSY = TARGETS / "greenlets.py", TARGETS / "gevents.py", TARGETS / "greenlets_busy.py"
MARK = {**marks(PLAIN), **{f"gevent {k}": v for k, v in marks(GEVENT).items()}}


def frames(*functions, prefix=""):
    return [(f, MARK[prefix + f]) for f in functions]


OUTER = frames("inner", "outer")
# Name: state and frames in our file, the innermost first.
GREENLETS = {
    "main greenlet": ("suspended", [("main", MARK["main"]), ("<module>", MARK["module"])]),
    "plain": ("suspended", OUTER),
    "derived": ("suspended", OUTER),
    "through C": ("suspended", frames("key", "through_c")),
    "generates": ("suspended", frames("generator", "generates")),
    "deep": ("suspended", [("deep", MARK["deepest"])] + [("deep", MARK["deep"])] * 300),
    "not started": ("created", []),
    "blocks": ("running", []),
    "of the other thread": ("suspended", OUTER),
}
GEVENTS = {
    "main greenlet": ("suspended", [("main", MARK["gevent main"]), ("<module>", MARK["gevent module"])]),
    "waits": ("suspended", frames("waits", prefix="gevent ")),
    "sleeps": ("suspended", frames("sleeps", prefix="gevent ")),
    "reads": ("suspended", frames("reads", prefix="gevent ")),
    "joins": ("suspended", frames("joins", prefix="gevent ")),
    "job": ("suspended", [("_run", MARK["gevent job"])]),
    "later": ("created", []),
    "Greenlet": ("suspended", frames("sleeps", prefix="gevent ")),
    "Hub": ("running", []),
}


@pytest.fixture
def packages(python):  # noqa: F811
    minor = subprocess.check_output([python, "-c", "import sys; print('3.%d' % sys.version_info[1])"], text=True)
    return unpacked(minor.strip())


def unpacked(name):
    folder = ROOT / "build-venv-greenlet" / name
    assert folder.exists(), "./dev test integration unpacks it"
    return {"PYTHONPATH": str(folder)}


def ours(frames, file):
    return [(f["function"].split(".")[-1], f["line"]) for f in frames if f["file"].endswith(file.name)]


def short(name):
    return name.split(" at 0x")[0]


def check(d, file, expected):
    found = {short(g["name"]): g for g in d["greenlets"]}
    assert len(found) == len(d["greenlets"])
    assert {n: (g["state"], ours(g["frames"], file)) for n, g in found.items()} == expected
    assert {g["stack"] for g in found.values() if g["state"] == "suspended"} == {"complete"}
    return found


def test_greenlets(glim, target, packages):  # noqa: F811
    d = dump(glim, target(PLAIN, env=packages).pid)
    main, other = d["threads"]
    found = check(d, PLAIN, GREENLETS)
    assert [n for n, g in found.items() if g["main"]] == ["main greenlet"]
    assert {n for n, g in found.items() if g["thread"] == other["id"]} == {"of the other thread"}
    assert {g["thread"] for n, g in found.items() if n != "of the other thread"} == {main["id"]}
    # The other thread's main greenlet runs, and is the thread.
    assert {n for n, g in found.items() if g["parent"] is None} == {"main greenlet", "of the other thread"}
    assert {g["parent"] for g in found.values()} - {None} == {found["main greenlet"]["id"]}
    # The stack of the one that runs ends where it started.
    assert ours(main["frames"], PLAIN) == frames("block", "blocks")
    assert main["stack"] == "complete" and main["frames"][-1]["function"] == "blocks"


def of_311():
    return pytest.mark.parametrize("python", [p for p in interpreters() if "/3.11." in p])


@of_311()
def test_older_layout(glim, target):  # noqa: F811
    check(dump(glim, target(PLAIN, env=unpacked("3.11-older")).pid), PLAIN, GREENLETS)


@of_311()
def test_unknown_layout(glim, target):  # noqa: F811
    p = target(PLAIN, env=unpacked("3.11-unknown"))
    d = dump(glim, p.pid)
    assert d["greenlets"] == [] and d["greenlets_unknown"]
    assert "greenlets of a version of greenlet that glim does not know" in dump(glim, p.pid, text=True)


def test_gevent(glim, target, packages):  # noqa: F811
    d = dump(glim, target(GEVENT, env=packages).pid)
    found = check(d, GEVENT, GEVENTS)
    assert {g["thread"] for g in found.values()} == {d["threads"][0]["id"]}
    assert found["Hub"]["parent"] == found["main greenlet"]["id"]
    below_hub = {n for n, g in found.items() if g["parent"] == found["Hub"]["id"]}
    assert below_hub == set(GEVENTS) - {"Hub", "main greenlet"}


def test_text(glim, target, packages):  # noqa: F811
    p = target(PLAIN, env=packages)
    text = dump(glim, p.pid, "--locals", "--source", text=True)
    assert f'\nGreenlet "derived" below "main greenlet": suspended, in thread {p.pid}\n    inner (' in text
    assert '\nGreenlet "not started" below "main greenlet": not started, ' in text
    assert "        parent.switch()  # MARK inner\n" in text
    assert "            text: 'in a greenlet'\n" in text
    # Greenlets stand below their thread.
    assert text.index('"blocks"') < text.index(' "other"') < text.index('"of the other thread"')


def edges_of_versions():
    """Of each way in which frames lie in memory one."""
    return [p for p in interpreters() if re.search(r"/3\.(8|11|13)\.", p)]


def of_greenlets(stacks):
    """{functions: periods}, {those that nobody can have called so: periods}"""
    count = Counter()
    for stack, n in stacks:
        count[tuple(re.sub(r"way_\d+", "way", f) for f in names(stack))] += n
    calls = ("work", "way", "total")
    known = {(root, *calls[:n]) for root in ("often", "seldom") for n in range(4)}
    # None: where a greenlet starts or ends, the thread has no frame of Python.
    known |= {(), ("<module>",), ("<module>", "main")}
    return count, {s: n for s, n in count.items() if s not in known}


@pytest.mark.parametrize("python", edges_of_versions())
def test_record_while_they_switch(glim, target, packages):  # noqa: F811
    pid = target(BUSY, env=packages).pid
    # A sample that changed while it was read says so, and may stand for many periods of a full machine.
    for _ in range(3):
        count, strange = of_greenlets(record_periods(glim, pid, 1000, "-d", 2, "-F", 1000))
        if sum(strange.values()) <= count.total() / 500:
            break
    assert sum(strange.values()) <= count.total() / 500, strange
    # A tenth of the work is done by greenlets that live for nothing else: the one that lives on does
    # not hide them.
    assert sum(n for s, n in count.items() if s[:1] == ("seldom",)) > count.total() / 50
