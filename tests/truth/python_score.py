"""Compares what a profiler saw of a Python program with what programs/python/truth.py tells of it.

Only Python frames are compared, so that profilers that show native ones are judged as those that do
not. Functions of the program go by their bare name, all others by "file.py:name"; the rest is the score
of score.py. Beside it: lines where a function cannot be, and names that are not the qualified ones."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

import score

FRAME = re.compile(r"^(.*) \(((?:[^()]*/)?[^()/]*\.py|<[^()]*>)(?::(\d+))?\)$")
# What the programs' own clock adds on Python 2.7.
UNSEEN = {"truth.py:clock"}
WARM, RUN = "truth.py:truth_warm", "truth.py:run"
TRACED = {"truth.py:know", "truth.py:_trace"}
END = "truth.py:end"
# Who samples from outside sees one place for as long as the program waits for a CPU. So the samples of one turn
# on a CPU, some 3 ms, are one sample; and as waits differ as much as they last, two turns are.
TURN_S = 0.006
# Who is sampled while its tables are made waits for glim between two samples, and counts for both.
READER = 0.35
UNPLACED_LIMIT = 0.01  # of the samples: a caller whose line nobody knows, and which says so
CUT_LIMIT = 0.01  # of the distance of shares: cut stacks are judged as such
OUTSIDE_S = 0.03  # of a process's end, when the interpreter tears itself down


class Truth(score.Truth):
    def __init__(self, text):
        super().__init__(text)
        self.files, self.outer, self.lines, self.qualnames = set(), set(), {}, {}
        self.shares, self.start_seconds = True, 0.0
        for said in (json.loads(line) for line in text.splitlines() if line.startswith("{")):
            self.files.update(said.get("files", ()))
            self.outer.update(said.get("outer", ()))
            self.roots.update(said.get("roots", ()))
            self.shares &= said.get("shares", True)
            self.start_seconds += said.get("start_ns", 0) / 1e9
            for function, names in said.get("qualnames", {}).items():
                self.qualnames.setdefault(function, set()).update(names)
            for function, callees in said.get("lines", {}).items():
                known = self.lines.setdefault(function, {})
                for callee, lines in callees.items():
                    known.setdefault(callee, set()).update(lines)


@dataclass
class Frame:
    name: str  # as the profiler says it
    file: str
    line: int  # 0: it does not say

    def key(self, truth):
        bare = self.name.rsplit(".", 1)[-1]
        file = self.file.rsplit("/", 1)[-1]
        return bare if file in truth.files else "%s:%s" % (file, bare)


def read_folded(text, process=None):
    """[(frames root first, a mark is its text; count)] of folded stacks of a process, as glim and py-spy write
    them; None: of all."""
    samples = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        parts = stack.split(";")
        if process is not None and parts[0] != process:
            continue
        frames = []
        for part in parts:
            found = FRAME.match(part)
            if part.startswith("[cut"):
                frames.append(part.strip("[]"))
            elif found:
                frames.append(Frame(found[1], found[2], int(found[3] or 0)))
        samples.append((frames, int(count)))
    return samples


@dataclass
class Score(score.Score):
    wrong_lines: int = 0  # samples with a line where the function cannot be
    unplaced: int = 0  # samples with a line that is said to be unknown
    wrong_names: int = 0  # samples with a name that is not the function's
    outside_right: int = 0  # of those, nothing is cut
    outside: int = 0  # of the interpreter's start and end
    outside_limit: float = 0.0
    lines: dict = field(default_factory=dict)  # which, and how often
    names: dict = field(default_factory=dict)

    def failures(self, complete=0.999, torn=0.0):
        found = super().failures(complete)
        if self.wrong_lines > torn * self.samples:
            found.append("%d samples with wrong lines" % self.wrong_lines)
        if self.unplaced > UNPLACED_LIMIT * self.samples * bool(torn):
            found.append("%d samples with unknown lines" % self.unplaced)
        if self.wrong_names:
            found.append("%d samples with wrong names" % self.wrong_names)
        if self.outside > self.outside_limit:
            found.append("%d samples outside of the program, %d allowed" % (self.outside, self.outside_limit))
        return found


def wrong_lines(truth, frames):
    """"function:line" of the frames that cannot be where they are said to be."""
    keys = [f.key(truth) for f in frames] + [None]
    for frame, key, callee in zip(frames, keys, keys[1:]):
        known = truth.lines.get(key)
        if known and frame.line and frame.line not in known.get(callee if callee in truth.lines else "", ()):
            yield "%s:%d%s" % (key, frame.line, " -> " + callee if callee in truth.lines else "")


def unknown_lines(truth, frames):
    """Functions whose lines the program tells and the profiler does not."""
    return [key for frame, key in ((f, f.key(truth)) for f in frames) if not frame.line and key in truth.lines]


def wrong_names(truth, frames):
    for frame in frames:
        known = truth.qualnames.get(frame.key(truth))
        if known and frame.name not in known:
            yield frame.name


def count_wrong(truth, samples, of):
    """(samples with any, the worst of them)"""
    total, each = 0, Counter()
    for frames, count in samples:
        found = set(of(truth, [f for f in frames if not isinstance(f, str)]))
        total += count * bool(found)
        for what in found:
            each[what] += count
    return total, dict(each.most_common(5))


def score_samples(text, samples, hz, cpu_seconds=None, processes=1, qualified=False):
    """Score of samples against a program's truth; cpu_seconds: None when nobody counted; qualified: the
    profiler says qualified names."""
    truth = Truth(text)
    stacks, marks, judged = Counter(), Counter(), []
    inner = {name for name in truth.own - truth.outer if ":" not in name}
    outside_right = 0
    for frames, count in samples:
        cut = [f for f in frames if isinstance(f, str)]
        keys = [None if isinstance(f, str) else f.key(truth) for f in frames]
        if TRACED.intersection(keys):
            keys = [WARM]
        elif END not in keys and (RUN in keys or inner.intersection(keys)):
            judged.append((frames, count))
            marks.update({text: count for text in cut})
        else:
            keys = []
            outside_right += count * (not cut)
        stacks[tuple(key for key in keys if key not in UNSEEN)] += count
    s = Score(**vars(score.score(truth, stacks, marks, hz, cpu_seconds, processes)))
    s.outside_right = outside_right
    samples = judged
    s.wrong_lines, s.lines = count_wrong(truth, samples, wrong_lines)
    s.unplaced, _ = count_wrong(truth, samples, unknown_lines)
    if qualified:
        s.wrong_names, s.names = count_wrong(truth, samples, wrong_names)
    s.outside = s.no_user
    s.outside_limit = (1.5 * truth.start_seconds + OUTSIDE_S * processes) * hz
    if cpu_seconds is None:
        at_once = max(1.0, s.samples * TURN_S / max(sum(p.ns for p in truth.stacks) / 1e9, TURN_S))
        s.distance_limit *= at_once ** 0.5
    s.distance_limit = max(s.distance_limit, CUT_LIMIT)
    if not truth.shares:
        s.distance = 0.0
    return s


def score_run(run, samples, hz, qualified=False, run_times=False):
    """Score of a run (pythons.Run); qualified: the profiler says qualified names; run_times: its samples stand for
    what their threads ran, also where these wait for CPUs."""
    s = score_samples(run.truth, samples, hz, run.cpu_seconds, run.case.copies * run.case.processes,
                      qualified and run.python.version >= (3, 3))
    s.stolen = run.stolen + READER
    if run.cpu_seconds is None and run.case.parallel:
        s.distance_limit = s.distance_limit if run_times else 1.0
        s.outside_limit = s.samples + s.outside
    return s


# --- showing it ---------------------------------------------------------------------------------

HEAD = ("interpreter and case", "samples", "right %", "cut", "unmarked", "impossible", "lines", "names", "shares off",
        "(limit)", "CPU missing")
FORM = "%-30s%9s%9s%6s%10s%12s%7s%7s%12s%9s%13s"


def row(name, s):
    return FORM % (name, s.samples, "%.2f" % (100 * s.complete), s.cut, s.unmarked, s.impossible, s.wrong_lines,
                   s.wrong_names, "%.2f" % (100 * s.distance), "%.2f" % (100 * s.distance_limit),
                   "%.1f %%" % (100 * s.missing))


def details(s):
    lines = [score.details(s)]
    lines += ["    %d samples: line %s" % (n, what) for what, n in s.lines.items()]
    lines += ["    %d samples: name %s" % (n, what) for what, n in s.names.items()]
    return "\n".join(line for line in lines if line)
