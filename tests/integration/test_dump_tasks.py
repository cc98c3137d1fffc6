"""glim dump: tasks of asyncio, of C and of Python, and which awaits which."""

from pathlib import Path

import pytest

from conftest import ROOT
from dumps import dump, fetched, interpreters, target  # noqa: F401

TARGET = ROOT / "tests" / "targets" / "dump_tasks.py"


def marks(path):
    return {line.split("# MARK ")[1].strip(): n for n, line in enumerate(path.read_text().splitlines(), 1)
            if "# MARK " in line}


MARK = marks(TARGET)
WORKER = [("pause", MARK["pause"]), ("worker", MARK["worker"])]
# Who awaits each task, and its frames in our file. In Python 3.8 to 3.10 there is no TaskGroup.
TASKS = {
    "gathers": ("Task-1", [("gathers", MARK["gathers"])]),
    "gathered-1": ("gathers", WORKER),
    "gathered-2": ("gathers", WORKER),
    "waits": ("Task-1", [("waits", MARK["waits"])]),
    "waited": ("waits", WORKER),
    "shields": ("Task-1", [("shields", MARK["shields"])]),
    "shielded": ("shields", WORKER),
    "timed": ("Task-1", [("timed", MARK["timed"])]),
    "timed-inner": ("timed", WORKER),
    "direct": ("Task-1", [("direct", MARK["direct"])]),
    "directed": ("direct", WORKER),
    "reads_numbers": ("Task-1", [("pause", MARK["pause"]), ("numbers", MARK["numbers"]),
                                 ("reads_numbers", MARK["reads_numbers"])]),
    "grouped-1": ("groups", WORKER),
    "grouped-2": ("groups", WORKER),
    "blocks": ("Task-1", []),
    "Task-1": (None, [("main", MARK["main"])]),
    "circle-1": ("circle-2", None),
    "circle-2": ("circle-1", None),
    "not started": (None, None),
    "groups": ("Task-1", None),
}


@pytest.fixture(params=interpreters() + fetched(), ids=lambda p: "-".join(p.split("/")[-3:]))
def python(request):
    return request.param


@pytest.mark.parametrize("kind", [[], ["python"], ["mixed"]], ids=["c", "python", "mixed"])
def test_tasks(glim, target, kind):  # noqa: F811
    p = target(TARGET, *kind)
    d = dump(glim, p.pid)
    names = {t["id"]: t["name"] for t in d["tasks"]}
    minor = int(d["python"].split(".")[1])
    expected = set(TASKS) if minor >= 11 else {n for n in TASKS if "group" not in n}
    assert sorted(names.values()) == sorted(expected)
    for t in d["tasks"]:
        awaiter, frames = TASKS[t["name"]]
        assert (t["name"], names.get(t["awaited_by"])) == (t["name"], awaiter)
        if frames is not None:
            ours = [(f["function"], f["line"]) for f in t["frames"] if f["file"].endswith("dump_tasks.py")]
            assert (t["name"], ours) == (t["name"], frames)
        assert t["circle"] == t["name"].startswith("circle")
        state = {"blocks": "running", "not started": "ready"}.get(t["name"], "waiting")
        assert (t["name"], t["state"]) == (t["name"], state)
        assert t["thread"] == d["threads"][0]["id"]
    # What is awaited stands behind what awaits it.
    order = [t["name"] for t in d["tasks"]]
    assert order[0] == "Task-1" and order.index("gathers") + 1 == order.index("gathered-1")
    ours = [f["function"] for f in d["threads"][0]["frames"] if f["file"].endswith("dump_tasks.py")]
    assert ours == ["block", "blocks", "<module>"]


def test_text(glim, target):  # noqa: F811
    p = target(TARGET)
    text = dump(glim, p.pid, text=True)
    assert f'\nTask "gathered-1" awaited by "gathers": waits for Future, in thread {p.pid}\n    pause (' in text
    assert '\nTask "direct" awaited by "Task-1": waits for task "directed"' in text
    assert "in a circle of tasks that await each other" in text
    locals_text = dump(glim, p.pid, "--locals", text=True)
    assert "            text: 'in a task'\n" in locals_text


@pytest.mark.parametrize("python", sorted(map(str, Path.home().glob(".pyenv/versions/3.7.*/bin/python3"))))
def test_unknown(glim, target):  # noqa: F811
    p = target("-c", "import asyncio, time; print('ready', flush=True); time.sleep(3600)")
    assert dump(glim, p.pid)["tasks_unknown"]
    assert "\n(and tasks of an asyncio that glim does not know)\n" in dump(glim, p.pid, text=True)
