#!/usr/bin/env python3
"""Compares what a profiler saw of a program with what the program knows of itself.

The truth is what programs/truth.h prints, a line of JSON each:
  {"stack": "main a leaf", "cpu_ns": N, "outcome": "complete"}   CPU time spent in leaf, called so;
      names root first, between spaces (or ";" where a name has spaces); "..." is any number of
      functions that are not the program's own, also none; "down*200" is 200 of them in a row;
      "outcome": "cut" where a profiler cannot know the callers and has to say so
  {"calls": ["a", "b"]}              a may call b, beside the calls that the stacks show
  {"calls_library": ["a", "b"]}      a and b may call what is not the program's own
  {"called_by_library": ["a", "b"]}  and these may be called by it
  {"stack_gone": ["a"]}              a may run when its stack is unmapped already: who called it is then
      nowhere, and a mark above it is right
Everything a stack names is a function of the program. A sample's stack is right when it is one of
these stacks from the root to the leaf, or ends in another function by calls that exist.

usage: score.py PROCESS TRUTH FOLDED HZ CPU_SECONDS"""

import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass, field

LIBRARY = "..."
OWN = "[own]"  # a function of the program, and nobody knows which
# What happens to a goroutine anywhere: a signal takes the CPU away, its stack grows.
PREEMPTION = re.compile(r"^runtime\.(asyncPreempt|morestack|cgoSigtramp|sigtramp|sigreturn)|^__restore_rt$")
WARM = re.compile(r"(^|[.:])truth_warm$")
# Where a walk may end: the first instruction of a program, of a thread, of a goroutine.
ROOTS = {
    "_start", "__clone", "clone", "clone3", "__clone3", "runtime.goexit", "runtime.mstart", "runtime.mcall", "runtime.clone",
    "runtime.rt0_go", "_rt0_amd64_linux", "_dl_start_user", "gogo", "runtime.gogo",
}
# And of a goroutine that gave its turn away: the scheduler goes on, and has nobody above.
GAVE_AWAY = [["runtime.morestack", "runtime.newstack", f] for f in ("runtime.gopreempt_m", "runtime.preemptPark")]
NAMELESS = re.compile(r"\+0x[0-9a-f]+$|^0x[0-9a-f]+$|^\[unknown\]$|^unknown$")


# --- names --------------------------------------------------------------------------------------


def plain_name(name):
    """A function's name without what tools add to it: arguments, the compiler's marks, hashes."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    name = re.sub(r"\[[0-9a-f]{8,16}\]", "", name)
    name = re.sub(r"(\.(cold|constprop|isra|part|lto_priv|llvm|abi0|abiinternal|warm)(\.\d+)*)+$", "", name)
    name = re.sub(r" \[clone .*\]$", "", name)
    name = re.sub(r"(?<=\w)::<[^<>]*>$", "", name)
    if re.search(r"\)( const)?$", name) and not name.startswith("("):
        depth = 0
        for i in range(name.rindex(")"), 0, -1):
            depth += (name[i] == ")") - (name[i] == "(")
            if not depth:
                name = name[:i]
                break
    return re.sub(r"^(void|int|unsigned long) (?=\w+[<:])", "", name)


class Addresses:
    """The names of a stripped program's addresses, by the program as it was before."""

    def __init__(self, module, nm_output):
        self.module = module
        self.table = sorted(
            (int(p[0], 16), int(p[1], 16), p[3])
            for p in (line.split(None, 3) for line in nm_output.splitlines())
            if len(p) == 4 and p[2] in "tTwW"
        )

    def name(self, frame, is_leaf):
        found = re.fullmatch(re.escape(self.module) + r"\+0x([0-9a-f]+)", frame)
        if not found:
            return frame
        address = int(found[1], 16)
        for start, size, name in self.table:
            if start <= address < start + size or (not is_leaf and address == start + size):
                return name
        return frame


# --- the truth ----------------------------------------------------------------------------------


@dataclass
class Stack:
    names: list
    ns: int = 0
    outcome: str = "complete"

    def prefix(self, frames, own):
        """How many of the frames this stack takes up from the root; None: it is not theirs."""
        at = 0
        for name in self.names:
            if name == LIBRARY:
                while at < len(frames) and frames[at] not in own:
                    at += 1
            elif at < len(frames) and frames[at] == name:
                at += 1
            else:
                return None
        return at


class Truth:
    def __init__(self, text):
        self.stacks = []
        self.edges = set()
        self.calls_library = set()
        self.called_by_library = set()
        self.stack_gone = set()
        merged = {}
        for line in text.splitlines():
            if not line.startswith("{"):
                continue
            said = json.loads(line)
            if "stack" in said:
                self._add(merged, said)
            self.calls_library.update(said.get("calls_library", ()))
            self.called_by_library.update(said.get("called_by_library", ()))
            self.stack_gone.update(said.get("stack_gone", ()))
            self.edges.update(zip(said.get("calls", ()), said.get("calls", ())[1:]))
        self.own = {n for s in self.stacks for n in s.names if n != LIBRARY}
        self.own |= {n for edge in self.edges for n in edge} | self.calls_library
        self.own |= {"main.truth_warm", "rusty::truth_warm", "truth_warm"}
        roots = {s.names[0] for s in self.stacks if s.ns}
        self.roots = roots or {s.names[0] for s in self.stacks}
        self.calls_library |= self.roots
        self.leaves = Counter(s.names[-1] for s in self.stacks if s.ns)

    def _add(self, merged, said):
        text = said["stack"]
        names = []
        for token in text.split(";" if ";" in text else " "):
            name, star, times = token.partition("*")
            names += [name] * int(times) if star and times.isdigit() else [token]
        key = tuple(names)
        if key not in merged:
            merged[key] = Stack(names, outcome=said.get("outcome", "complete"))
            self.stacks.append(merged[key])
            self._add_edges(names)
        merged[key].ns += said["cpu_ns"]

    def _add_edges(self, names):
        for a, b in zip(names, names[1:]):
            if b == LIBRARY:
                self.calls_library.add(a)
            elif a == LIBRARY:
                self.called_by_library.add(b)
            else:
                self.edges.add((a, b))
        for a, b, c in zip(names, names[1:], names[2:]):
            if b == LIBRARY:
                self.edges.add((a, c))  # none between them: a call that became a jump

    def impossible(self, frames, first=0):
        """The calls among the frames, from frames[first] on, that the program cannot make."""
        wrong = []
        for a, b in zip(frames[first:], frames[first + 1:]):
            if a is None or b is None:  # something is missing there, and it is said
                continue
            if a in self.own and b in self.own:
                good = (a, b) in self.edges or WARM.search(a) or WARM.search(b)
            elif a in self.own:
                good = a in self.calls_library or WARM.search(a) or PREEMPTION.search(b)
            elif b in self.own:
                good = b in self.called_by_library or b in self.roots or WARM.search(b)
            else:
                good = True
            if not good:
                wrong.append((a, b))
        return wrong

    def find(self, frames):
        """The longest stack of the truth that the frames, root first, begin with; and its length."""
        best = (None, 0)
        for stack in self.stacks:
            n = stack.prefix(frames, self.own)
            if n is not None and n >= best[1] and stack.ns:
                best = (stack, n)
        return best


# --- samples ------------------------------------------------------------------------------------


def strip_kernel(frames):
    return [f for f in frames if not f.endswith("_[k]")]


def read_folded(text, process, module=None, addresses=None):
    """Counter of stacks of a process: tuples root first; a mark of a cut is None, its text aside.

    module: the program's file; addresses: who names what is in it (Addresses)."""
    stacks, marks = Counter(), Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not frames or frames[0] != process:
            continue
        if any(f.startswith("[cut") and "Python" in f for f in frames):
            continue  # who started the program, just before it became the program
        frames, names = strip_kernel(frames[1:]), []
        for i, frame in enumerate(frames):
            if frame.startswith("[cut"):
                marks[frame.strip("[]")] += int(count)
                names.append(None)
                continue
            if addresses:
                frame = addresses.name(frame, i == len(frames) - 1)
            if module and i and frame.startswith(module + "+0x"):
                frame = OWN
            names.append(plain_name(frame))
        stacks[tuple(names)] += int(count)
    return stacks, marks


# --- the score ----------------------------------------------------------------------------------


@dataclass
class Score:
    samples: int = 0  # with frames in user space, after the warm-up
    right: int = 0
    cut: int = 0  # not complete, and said so
    unmarked: int = 0  # not complete, nothing said; or callers that are not the true ones
    impossible: int = 0  # samples with a call that the program cannot make
    start: int = 0  # samples of the warm-up
    start_right: int = 0
    no_user: int = 0  # only kernel frames: programs being started and ended
    other: int = 0  # right, but in no leaf: the start of the program, its end
    total: int = 0
    distance: float = 0.0  # of the shares: half the sum of the differences
    distance_limit: float = 0.0
    missing: float = 0.0  # of the CPU time
    missing_limit: float = 0.0
    stolen: float = 0.0  # share of its turns that the host took away; the kernel does not count those
    reasons: dict = field(default_factory=dict)
    edges: dict = field(default_factory=dict)
    examples: list = field(default_factory=list)  # (what, frames, count)

    @property
    def complete(self):
        return self.right / self.samples if self.samples else 0.0

    @property
    def start_complete(self):
        return self.start_right / self.start if self.start else None

    def failures(self, complete=0.999):
        found = []
        if not self.samples:
            found.append("no samples")
        if self.complete < complete:
            found.append("%.2f %% complete" % (100 * self.complete))
        if self.impossible:
            found.append("%d samples with impossible calls" % self.impossible)
        if self.distance > self.distance_limit:
            found.append("shares are %.1f points off, %.1f allowed" % (
                100 * self.distance, 100 * self.distance_limit))
        if not -self.missing_limit - self.stolen <= self.missing <= self.missing_limit:
            found.append("%.1f %% of the CPU time missing, %.1f allowed" % (
                100 * self.missing, 100 * self.missing_limit))
        return found


def root_is_whole(truth, frames):
    """The walk came to where programs and threads begin, or shows nothing above the program's root."""
    return (frames[0] in ROOTS or frames[:3] in GAVE_AWAY or frames[0] in truth.roots
            or bool(NAMELESS.search(frames[0])))


def judge(truth, frames):
    """("right" | "cut" | "unmarked", the Stack the sample belongs to or None)"""
    marked = None in frames
    named = [f for f in frames if f]
    begin = next((i for i, f in enumerate(named) if f in truth.own), None)
    leaf = next((f for f in reversed(named) if f in truth.leaves), None)
    if OWN in named and not (begin is not None and truth.find(named[begin:])[0]):
        return ("cut" if marked else "unmarked"), None
    if marked and frames[0] is None and named[0] in truth.stack_gone:
        return "right", None
    if begin is None:
        whole = root_is_whole(truth, named) and not all(NAMELESS.search(f) for f in named)
        return ("cut" if marked else "right" if whole else "unmarked"), None
    stack, length = truth.find(named[begin:])
    own = [f for f in named[begin + length:] if f in truth.leaves]
    whole = stack and not own and root_is_whole(truth, named)
    if not whole and leaf:
        same = [s for s in truth.stacks if s.ns and s.names[-1] == leaf]
        cut_ones = [s for s in same if s.outcome == "cut"]
        if marked and cut_ones and matches_tail(truth, frames, cut_ones):
            return "right", cut_ones[0]
        return ("cut" if marked else "unmarked"), same[0] if len(same) == 1 else None
    if marked:
        return "cut", stack
    if not root_is_whole(truth, named):
        return "unmarked", None
    return "right", stack


def matches_tail(truth, frames, stacks):
    """What is shown below the last mark is the end of one of the stacks, and no more."""
    last = max(i for i, f in enumerate(frames) if f is None)
    shown = [f for f in frames[last + 1:] if f]
    return any(s.names[-len(shown):] == shown for s in stacks if shown)


def sampling_error(shares, n, seed=1):
    """The distance that n independent samples stay below but once in ten thousand times or so."""
    if n == 0:
        return 0.0
    rng = random.Random(seed)
    draws = [0.5 * sum(abs(rng.gauss(0, (p * (1 - p) / n) ** 0.5)) for p in shares) for _ in range(500)]
    mean = sum(draws) / len(draws)
    sd = (sum((d - mean) ** 2 for d in draws) / len(draws)) ** 0.5
    return mean + 4 * sd


def missing_limit(samples, turns):
    """The share of the CPU time that may be missing, of so many samples that are due.

    A turn on a CPU begins and ends anywhere between two ticks: of L periods it gets the next lower or the next higher
    number of samples. The variance of that is f (1 - f), f the fraction of L, which is at most L and at most 1/4; of
    n turns it is n/4 at most, and at most all their periods together. Four standard deviations, and 3 % for what is
    not chance."""
    return 0.03 + 4 * min(turns / 4, samples) ** 0.5 / samples


def score(truth, stacks, marks, hz, cpu_seconds, turns=1):
    """Score of Counter stacks (read_folded); cpu_seconds: what the kernel says the program used; None: it was not
    asked; turns: how often it was given a CPU for that."""
    s = Score(reasons=dict(marks))
    at = Counter()
    edges, examples = Counter(), {}
    for frames, count in stacks.items():
        s.total += count
        if not any(frames):
            if frames:
                s.samples += count
                s.cut += count
            else:
                s.no_user += count
            continue
        warm = any(f and WARM.search(f) for f in frames)
        verdict, stack = judge(truth, frames)
        wrong = truth.impossible(frames)
        if warm:
            s.start += count
            s.start_right += count * (verdict == "right")
            s.impossible += count * bool(wrong)
        else:
            s.samples += count
            s.impossible += count * bool(wrong)
            if verdict == "right" and wrong:
                verdict = "unmarked"
            setattr(s, verdict, getattr(s, verdict) + count)
            s.other += count * (verdict == "right" and stack is None)
            if stack:
                at[id(stack)] += count
            elif verdict != "right":
                at[None] += count
        for edge in wrong:
            edges[edge] += count
        if wrong or (verdict != "right" and not warm):
            what = "impossible" if wrong else verdict
            if examples.setdefault(what, (frames, 0))[1] < count:
                examples[what] = (frames, count)
    s.edges = {"%s -> %s" % e: n for e, n in edges.most_common(5)}
    s.examples = [(what, ["[cut]" if f is None else f for f in frames], n)
                  for what, (frames, n) in examples.items()]
    compare_shares(truth, s, at)
    expected = (cpu_seconds or 0) * hz
    if not expected:
        return s
    s.missing = 1 - s.total / expected
    # The host takes CPUs away, too, which nobody counts: as if each turn were 3 ms at most.
    s.missing_limit = missing_limit(expected, turns + cpu_seconds / 0.003)
    return s


def score_run(run, folded, hz, nameless=False):
    """Score of a run (cases.Run) by what a profiler said in folded stacks; nameless: it names nothing."""
    symbols = run.symbols(nameless)
    addresses = Addresses(run.module, symbols) if symbols else None
    stacks, marks = read_folded(folded, run.process, run.module, addresses)
    s = score(Truth(run.truth), stacks, marks, hz, run.cpu_seconds, run.turns)
    s.stolen = run.stolen
    return s


def compare_shares(truth, s, at):
    whole = sum(p.ns for p in truth.stacks)
    n = sum(at.values())
    if not whole or not n:
        return
    shares = [(p, p.ns / whole) for p in truth.stacks if p.ns]
    s.distance = 0.5 * (sum(abs(at[id(p)] / n - share) for p, share in shares) + at[None] / n)
    s.distance_limit = sampling_error([share for _, share in shares], n)


# --- showing it ---------------------------------------------------------------------------------

HEAD = ("case", "samples", "right %", "cut", "unmarked", "impossible", "shares off", "(limit)", "CPU missing",
        "start %")
FORM = "%-14s%9s%9s%7s%10s%12s%12s%9s%13s%9s"


def row(name, s):
    begun = s.start_complete
    return FORM % (
        name, s.samples, "%.2f" % (100 * s.complete), s.cut, s.unmarked, s.impossible,
        "%.2f" % (100 * s.distance), "%.2f" % (100 * s.distance_limit), "%.1f %%" % (100 * s.missing),
        "-" if begun is None else "%.1f" % (100 * begun))


def shorten(frames):
    out = []
    for f in frames:
        if out and out[-1][0] == f:
            out[-1][1] += 1
        else:
            out.append([f, 1])
    return ";".join(f if n == 1 else "%s*%d" % (f, n) for f, n in out)


def details(s):
    lines = ["    %d samples: %s" % (n, reason) for reason, n in sorted(s.reasons.items(), key=lambda r: -r[1])]
    lines += ["    %d samples: impossible: %s" % (n, e) for e, n in s.edges.items()]
    lines += ["    %s, %d samples: %s" % (what, n, shorten(frames)) for what, frames, n in s.examples]
    return "\n".join(lines)


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    process, truth_file, folded_file, hz, cpu = sys.argv[1:]
    with open(truth_file) as t, open(folded_file) as f:
        truth = Truth(t.read())
        stacks, marks = read_folded(f.read(), process)
    s = score(truth, stacks, marks, float(hz), float(cpu))
    print(FORM % HEAD)
    print(row(process, s))
    print(details(s))


if __name__ == "__main__":
    main()
