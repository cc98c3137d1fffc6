"""What awaits a task, in samples of the kernel's engine: as it was when they were taken, or not at all.

Interpreters run at once, one of each kind of layout: a recording is of everything.
"""

import os
import re
import subprocess
from collections import Counter

from dumps import fetched
from test_record_python import PYTHONS, TARGETS, record_and_count

KINDS = [p for p in PYTHONS if re.search(r"/3\.(8|11|12|13)\.", p)] + fetched()
LINE = re.compile(r"(.*) (\d+)")
GONE = re.compile(r"what awaits the asyncio task is not all known: ([\d,]+)")


class Watched:
    """The same program in every interpreter, each under a name of its own; and what recordings said of them."""

    def __init__(self, glim, run, program):
        assert len(KINDS) >= 4
        self.glim, self.gone, self.stacks, self.programs = glim, 0, {}, []
        for i, python in enumerate(KINDS):
            # It takes this name itself: some are started by a script or a loader.
            name = f"awaits{i}-{os.getpid() % 4096:03x}{len(program.name) % 10}"
            self.programs.append(run([python, "-B", program, name]))
            self.stacks[name] = Counter()
        for p in self.programs:
            p.wait_line("^ready$")

    def record(self, hz):
        r = subprocess.run(
            [self.glim, "record", "-a", "-d", "2", "-F", str(hz), "-f", "folded", "-o", "-"],
            capture_output=True, text=True, timeout=120,
        )
        assert r.returncode == 0, r.stderr
        found = GONE.search(r.stderr)
        self.gone += int(found[1].replace(",", "")) if found else 0
        for stack, n in LINE.findall(r.stdout):
            name, *frames = stack.split(";")
            if name in self.stacks:
                self.stacks[name][tuple(frames)] += int(n)

    def record_until(self, hz, enough):
        """How many of this a process gets on a busy machine is not known."""
        for _ in range(20):
            self.record(hz)
            if all(enough(s) for s in self.stacks.values()):
                return
        raise AssertionError(self.stacks)


def chain(stack, pattern):
    """Those of its functions that have such a name."""
    return [f for f in (re.sub(r" \(.*", "", f) for f in stack) if re.fullmatch(pattern, f)]


def outer(stacks):
    """The frames of Python as far as by_await, of those that have all awaiters."""
    found = set()
    for stack in stacks:
        python = [f for f in stack if ".py:" in f]
        at = [i for i, f in enumerate(python) if f.startswith("by_await ")]
        if at and chain(stack, "main"):
            found.add(tuple(python[: at[0] + 1]))
    return found


def count(stacks, of):
    return sum(n for s, n in stacks.items() if of(s))


def test_every_way_to_await(glim, run):
    """Frames of the tasks that await the one that runs, where the event loop called it: as the reader shows them."""
    watched = Watched(glim, run, TARGETS / "awaits.py")
    whole = ["main", "by_wait", "by_gather", "by_task", "by_await", "work"]

    def awaiters(stack):
        return chain(stack, "|".join(whole))

    watched.record_until(49, lambda stacks: count(stacks, lambda s: awaiters(s) == whole) >= 20)
    lost = 0
    for stacks in watched.stacks.values():
        for stack, n in stacks.items():
            if not chain(stack, "spin"):
                continue
            assert awaiters(stack) in (whole, whole[-2:]), stack
            lost += n if awaiters(stack) != whole else 0
    # Who is missing was counted.
    assert lost <= watched.gone
    # Line by line as the reader shows them, but for the frames of C.
    for p, stacks in zip(watched.programs, watched.stacks.values()):
        read = set()
        for _ in range(20):
            read |= outer({tuple(s[1:]) for s, _ in record_and_count(glim, p.pid, "-d", 1)[0]})
            if read:
                break
        assert read == outer(stacks), p.argv


def test_no_awaiter_that_is_not_true(glim, run):
    """Steps end while their samples are on the way, and memory is used again by tasks that others await."""
    watched = Watched(glim, run, TARGETS / "awaits_quick.py")
    seen = Counter()

    def judge(stack):
        leaf = chain(stack, r"(spin|loose)_\d")
        if not leaf:
            return None
        kind, number = leaf[0].split("_")
        awaiters = chain(stack, r"main|(parent|grand)_\d")
        if not awaiters:
            return "none"
        return "right" if kind == "spin" and awaiters == ["main", f"grand_{number}", f"parent_{number}"] else "wrong"

    watched.record_until(199, lambda stacks: count(stacks, lambda s: judge(s) == "right") >= 30)
    for name, stacks in watched.stacks.items():
        for stack, n in stacks.items():
            assert judge(stack) != "wrong", (name, stack)
            seen[judge(stack)] += n
    assert seen["none"] and watched.gone, seen
