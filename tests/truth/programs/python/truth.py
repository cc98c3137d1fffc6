# -*- coding: utf-8 -*-
"""What the programs of this folder share: leaves that burn CPU time, and the truth about it.

A leaf counts in a loop of its own, so that the time is spent in the very function:

    T300 = truth.turns(300)

    def leaf():
        start = clock()
        for _ in next(T300):
            pass
        spend(("<module> main leaf", clock() - start))

`next`, `clock` and `spend` are C functions: no Python frame but the program's own is there. A
program ends in truth.run(main): main is called once while the interpreter tells what it calls and
at which lines it is (sys.settrace), then there is a warm-up whose samples nobody judges, then main
is called until the time is burnt, and the truth is printed, as truth.h prints it, and beside:
  {"files": [...]}        the functions that the truth names are of these files
  {"roots": [...]}        functions of other files where a stack may begin
  {"outer": [...]}        the functions that lead to run()
  {"start_ns": N}         the CPU time of the process until here: the interpreter's start
  {"lines": {f: {g: [...]}}}   where f stands while it calls g; "" when it calls nobody of its own
  {"qualnames": {f: [...]}}    the qualified names of f, where the version knows them
Runs on 2.7, too. env TRUTH_CPU_MS, TRUTH_WARM_MS: as for truth.h."""
import collections
import gc
import itertools
import json
import os
import random
import sys
import threading
import time

CPU_MS = int(os.environ.get("TRUTH_CPU_MS", "1000"))
WARM_MS = int(os.environ.get("TRUTH_WARM_MS", "300"))
VERSION = sys.version_info[:2]
# From 3.12 on a comprehension is part of its function.
LISTCOMP = "" if VERSION >= (3, 12) or VERSION < (3,) else " <listcomp>"

if VERSION >= (3,):
    import functools

    counting = range
    clock = functools.partial(time.clock_gettime, time.CLOCK_THREAD_CPUTIME_ID)
    process_clock = time.process_time
else:
    import ctypes

    counting = xrange  # noqa: F821
    process_clock = time.clock
    _libc = ctypes.PyDLL(None)

    def clock():
        now = (ctypes.c_long * 2)()
        _libc.clock_gettime(3, now)
        return now[0] + now[1] * 1e-9


spent = []
spend = spent.append
files = set()
roots = {"<module>", "threading.py:_bootstrap", "threading.py:__bootstrap", "<string>:<module>"}
_edges, _calls_library, _called_by_library = set(), set(), set()
_lines = {}
_codes = {}
_created, _firsts = [], []
_start, _outer = 0.0, set()


def _calibrate():
    """Turns of an empty loop in a microsecond."""
    best = 0.0
    for _ in range(5):
        start = clock()
        for _ in counting(50000):
            pass
        best = max(best, 50000 / max(clock() - start, 1e-9) / 1e6)
    return best


_turns_of_us = _calibrate()


def turns(us):
    """An iterator over things to loop over, of some us microseconds each: they vary as the time between
    two decays does, and never fall in step with a sampler. Short ones first, until run() begins."""
    first = itertools.repeat(counting(2), 100000)
    rng = random.Random(us)
    real = [counting(int(rng.expovariate(1.0) * us * _turns_of_us) + 1) for _ in range(500)]
    _firsts.append(first)
    return itertools.chain(first, itertools.cycle(real))


def own(code):
    return os.path.basename(code.co_filename) in files


def _call(code, caller):
    """Who is called by whom, and where the caller stands meanwhile."""
    name, callee = caller.f_code.co_name, code.co_name
    if not own(code):
        if own(caller.f_code):
            _calls_library.add(name)
            _lines.setdefault(name, {}).setdefault("", set()).add(caller.f_lineno)
    elif own(caller.f_code):
        _edges.add((name, callee))
        _lines.setdefault(name, {}).setdefault(callee, set()).add(caller.f_lineno)
    else:
        _called_by_library.add(callee)


def _trace(frame, event, _):
    code = frame.f_code
    if event == "call" and frame.f_back is not None:
        _call(code, frame.f_back)
    if not own(code):
        return None
    _codes.setdefault(code.co_name, set()).add(code)
    _lines.setdefault(code.co_name, {}).setdefault("", set()).add(frame.f_lineno)
    return _trace


def _names_of_functions():
    """As long as code does not know its qualified name, functions do: of those that are there. The plain name is
    right, too."""
    known = {f.__code__: f.__qualname__ for f in gc.get_objects() if type(f) is type(creates)}
    names = {name: {known.get(code, "") for code in codes} for name, codes in _codes.items()}
    return {name: sorted(found | {name}) for name, found in names.items()
            if all(qualified.split(".")[-1] == name for qualified in found)}


def creates(caller, function):
    """Calling a generator or a coroutine makes it, and the interpreter tells nobody of that call."""
    _edges.add((caller, function.__name__))
    _created.append((caller, function.__code__))


def rounds(n):
    """How often a thread does its work: hardly ever while the interpreter tells, whose time nobody counts."""
    return 2 if _firsts else n


def _know_creations():
    for caller, code in _created:
        _lines[caller].setdefault(code.co_name, set()).update(_lines[caller][""])
        _lines[code.co_name][""].add(code.co_firstlineno)


def _know_callers(frame):
    """Who called run, which was not traced."""
    while frame:
        if own(frame.f_code):
            _outer.add(frame.f_code.co_name)
            _call(truth_warm.__code__, frame)
            if frame.f_back:
                _call(frame.f_code, frame.f_back)
        frame = frame.f_back


def know(main, *args):
    """Call it once, and remember calls and lines."""
    threading.settrace(_trace)
    sys.settrace(_trace)
    try:
        main(*args)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    _know_creations()
    for first in _firsts:
        collections.deque(first, maxlen=0)
    del _firsts[:]
    del spent[:]


def truth_warm(seconds):
    end = clock() + seconds
    while clock() < end:
        for _ in counting(1000):
            pass


def burn(main, ms, *args):
    """Until this process has used so much CPU time. No other function of this file is on the stack
    of what main calls."""
    end = process_clock() + ms / 1000.0
    while process_clock() < end:
        main(*args)


def tell(**facts):
    """Children write into the same file: a line at a time."""
    os.write(1, (json.dumps(facts) + "\n").encode())


def end():
    sums = collections.defaultdict(float)
    for stack, seconds in list(spent):
        sums[stack] += seconds
    for stack in sorted(sums):
        tell(stack=stack, cpu_ns=int(sums[stack] * 1e9))
    for a, b in sorted(_edges):
        tell(calls=[a, b])
    tell(calls_library=sorted(_calls_library), called_by_library=sorted(_called_by_library))
    tell(files=sorted(files), roots=sorted(roots), start_ns=int(_start * 1e9), outer=sorted(_outer))
    tell(lines={f: {g: sorted(at) for g, at in callees.items()} for f, callees in _lines.items()})
    if VERSION >= (3, 11):
        tell(qualnames={f: sorted({code.co_qualname for code in codes}) for f, codes in _codes.items()})
    elif VERSION >= (3, 3):
        tell(qualnames=_names_of_functions())


def run(main, *more_files):
    """The whole life of a program; also of a child that a parent started for main."""
    global _start
    _start = process_clock()
    files.update((os.path.basename(main.__code__.co_filename),) + more_files)
    _know_callers(sys._getframe(1))
    know(main)
    tell(ready=os.getpid())
    truth_warm(WARM_MS / 1000.0)
    burn(main, CPU_MS)
    end()
