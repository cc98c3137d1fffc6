"""The end of `glim timeit` that runs inside the interpreter which is asked; for Python 2.7 and 3.

Glim sends this text, then requests, a line of JSON each, through one pipe and gets a line of JSON for
each through another (cmd/timeit_worker.h lists both). Standard input and output are the statement's.

The namespace has `requests`, a binary file, and `answers`, a descriptor. What the statement sees is
__main__, with the modules that it finds there under `python -m timeit`.
"""
import ast
import fcntl
import gc
import itertools
import json
import linecache
import os
import resource
import sys
import time
import traceback

NAME = "<timeit>"
# The loop of the timeit module, so that what it costs is the same, inside one over laps. Both clocks
# are read around each lap; what else is done for a lap is done by the iterator, outside of them.
TEMPLATE = """
def timed(_glim_laps, _glim_wall, _glim_cpu):
    pass
    for _glim_it in _glim_laps:
        _glim_c0 = _glim_cpu()
        _glim_w0 = _glim_wall()
        for _glim_i in _glim_it:
            pass
        _glim_w1 = _glim_wall()
        _glim_c1 = _glim_cpu()
        _glim_laps.ended(_glim_w0, _glim_w1, _glim_c0, _glim_c1)
        _glim_w0 = _glim_w1 = 0
"""
ENOUGH = 0.2  # seconds, for a number of loops; the same as the timeit module
TOO_LONG = 2.0  # seconds of wall time, for a statement that hardly uses the CPU, by the CPU clock
HARDLY = 0.05  # of the time
EMPTY_EACH = 8  # laps of the statement, then a lap of nothing, of that many loops or more, and one of a
EMPTY_LOOPS = 5000  # single loop: what reading the clocks takes
BALLAST = 1 << 20

wall = getattr(time, "perf_counter", time.time)
cpu = getattr(time, "process_time", getattr(time, "clock", None))


def read_request():
    line = requests.readline()
    if not line:
        raise EOFError
    return json.loads(line.decode("utf-8"))


def answer(**values):
    data = (json.dumps(values) + "\n").encode("ascii")
    try:
        while data:
            data = data[os.write(answers, data):]
    except OSError:
        os._exit(1)  # nobody listens any more, or the statement has closed what is not its own


def ns(seconds):
    return int(round(seconds * 1e9))


# --- the statement as a function ------------------------------------------------------------------


def parsed(text, name, first_line):
    """The statements of text; a SyntaxError speaks of name and of the lines of this text alone."""
    compile(text, name, "exec", 0, True)  # "return" and the like are seen here, not by the parser
    body = compile(text, name, "exec", ast.PyCF_ONLY_AST, True).body
    for node in body:
        ast.increment_lineno(node, first_line - 1)
    return body


def place(nodes, line):
    """All of them stand in this line."""
    for node in itertools.chain.from_iterable(map(ast.walk, nodes)):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line


def build(setup, statement, namespace):
    """A function of the template. Trees are joined and not texts, so that no line of a string over
    several lines is moved. Setup and statement are the lines of one file, which tracebacks show; the
    template's own lines are theirs, too, in order, as Python 2.7 cannot go back in a function."""
    lines = setup.split("\n") + statement.split("\n")
    linecache.cache[NAME] = (len(lines), None, [line + "\n" for line in lines], NAME)
    tree = compile(TEMPLATE, NAME, "exec", ast.PyCF_ONLY_AST, True)
    function = tree.body[0]
    loop = function.body[1]
    first = len(setup.split("\n")) + 1
    place([function], 1)
    place([loop], first)
    place(loop.body[3:], len(lines))
    loop.body[2].body = parsed(statement, "<statement>", first) or loop.body[2].body
    function.body[0:1] = parsed(setup, "<setup>", 1)
    ast.fix_missing_locations(tree)
    found = {}
    exec(compile(tree, NAME, "exec", 0, True), namespace, found)
    return found["timed"]


# --- laps -------------------------------------------------------------------------------------------


class Waits(object):
    """How long this thread has waited for a CPU, in nanoseconds; 0 where the kernel does not say."""

    def __init__(self):
        try:
            self.fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
            fcntl.fcntl(self.fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        except OSError:
            self.fd = -1

    def __call__(self):
        if self.fd < 0:
            return 0
        try:
            os.lseek(self.fd, 0, os.SEEK_SET)
            return int(os.read(self.fd, 100).split()[1])
        except (OSError, IndexError, ValueError):
            self.fd = -1
            return 0


class Once(object):
    """One lap."""

    def __init__(self, loops):
        self.loops = loops

    def __iter__(self):
        return iter((itertools.repeat(None, self.loops),))

    def ended(self, w0, w1, c0, c1):
        self.wall, self.cpu = w1 - w0, c1 - c0


class Run(object):
    """The laps of a run, which is one execution of the setup. Glim asks for some, gets their times
    and asks again, or another interpreter meanwhile; the function of the statement stands still."""

    def __init__(self, empty, waits, sizes):
        self.empty, self.waits, self.pid = empty, waits, os.getpid()
        self.began = wall()
        self.start(sizes)

    def start(self, sizes):
        self.sizes, self.at = sizes, 0
        self.laps, self.empties = [], []

    def __iter__(self):
        return self

    def __next__(self):
        if os.getpid() != self.pid:
            os._exit(0)  # the statement forked, and this is not the one that is measured
        if self.began:
            self.setup, self.began = wall() - self.began, 0
        while self.at == len(self.sizes):
            self.report()
            request = read_request()
            if request["do"] != "laps":
                raise StopIteration
            self.start(request["loops"])
        self.waited = self.waits()
        self.switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        return itertools.repeat(None, self.sizes[self.at])

    next = __next__

    def ended(self, w0, w1, c0, c1):
        loops = self.sizes[self.at]
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - self.switches
        self.laps.append([loops, ns(w1 - w0), ns(c1 - c0), self.waits() - self.waited, switches])
        if self.at % EMPTY_EACH == 0:
            for loops in (1, max(loops, EMPTY_LOOPS)):
                lap = Once(loops)
                self.empty(lap, wall, cpu)
                self.empties.append([loops, ns(lap.wall), ns(lap.cpu)])
        self.at += 1

    def report(self):
        answer(setup=self.setup, laps=self.laps, empty=self.empties)


class MemoryRun(object):
    """Laps of one loop each, with what tracemalloc says at both ends of each: it stands for both
    clocks. Nothing is allocated between the first reading and the statement but that reading, whose
    size is measured with the empty statement and taken off."""

    def __init__(self, most, forget, forgets_all):
        self.most, self.forget, self.forgets_all = most, forget, forgets_all
        self.readings, self.began = [], wall()
        self.make_ballast()

    def make_ballast(self):
        """Numbers above it are objects of one size, whose own memory can be taken off."""
        self.ballast = bytearray(BALLAST)

    def __iter__(self):
        return self

    def __next__(self):
        if len(self.readings) >= self.most or (self.readings and wall() - self.began > ENOUGH):
            raise StopIteration
        it = itertools.repeat(None, 1)
        if self.forget:
            self.forget()
        if self.forgets_all:
            self.make_ballast()
        return it

    next = __next__

    def ended(self, before, after, c0, c1):
        self.readings.append((after[0] - before[0], after[1] - before[0]))

    def figures(self):
        """(kept, peak) of the laps that are warm: the second half of them."""
        warm = self.readings[len(self.readings) // 2:]
        return sum(kept for kept, peak in warm) / float(len(warm)), max(peak for kept, peak in warm)


class CountRun(MemoryRun):
    """The same with bytes that were asked for; each reading adds as much as with the empty statement."""

    def __init__(self, most):
        MemoryRun.__init__(self, most, None, False)

    def ended(self, before, after, c0, c1):
        self.readings.append(after - before)

    def figure(self):
        warm = self.readings[len(self.readings) // 2:]
        return sum(warm) / float(len(warm))


# --- what Glim asks for -----------------------------------------------------------------------------


class Statement(object):
    def __init__(self, setup, statement, namespace):
        self.empty = build("", "pass", {"__builtins__": {}})
        self.timed = build(setup, statement, namespace)
        self.waits = Waits()

    def without_gc(self, laps, *clocks):
        """A run as the timeit module does it: the setup may switch the collector on."""
        enabled = gc.isenabled()
        gc.disable()
        try:
            self.timed(laps, *clocks)
        finally:
            if enabled:
                gc.enable()

    def calibrate(self, clock):
        """The loops that take long enough: 1, 2, 5, 10 and so on."""
        for power in itertools.count():
            for digit in (1, 2, 5):
                lap = Once(digit * 10 ** power)
                began, waited = wall(), self.waits()
                self.without_gc(lap, wall, cpu)
                waited = (self.waits() - waited) / 1e9
                setup = wall() - began - lap.wall
                # While others have the CPU, no loop is run; what uses the CPU is time in any case.
                own = max(lap.wall - waited, min(lap.wall, lap.cpu))
                idle = own >= TOO_LONG and lap.cpu < HARDLY * own
                if idle or (lap.cpu if clock == "cpu" else own) >= ENOUGH:
                    return answer(loops=lap.loops, wall=ns(own), cpu=ns(lap.cpu), setup=setup)

    def run(self, sizes):
        run = Run(self.empty, self.waits, sizes)
        self.without_gc(run, wall, cpu)
        answer(done=True)

    def memory(self, most, counter):
        """Bytes that a loop keeps, and that it has at most; null where nothing counts them. And those
        that it asks for."""
        try:
            import tracemalloc
        except ImportError:
            return answer(memory=None)
        kept = peak = self.traced(tracemalloc, most, getattr(tracemalloc, "reset_peak", None))
        if not hasattr(tracemalloc, "reset_peak"):
            # Before 3.9 a peak is forgotten only together with all that is there: a run for each.
            peak = self.traced(tracemalloc, most, tracemalloc.clear_traces, True)
        answer(memory={"kept": kept[0], "peak": peak[1], "allocated": self.counted(most, counter)})

    def traced(self, tracemalloc, most, forget, forgets_all=False):
        tracemalloc.start()
        nothing, run = (MemoryRun(most, forget, forgets_all) for _ in range(2))
        self.empty(nothing, tracemalloc.get_traced_memory, int)
        self.without_gc(run, tracemalloc.get_traced_memory, int)
        tracemalloc.stop()
        (kept, peak), (reading, _) = run.figures(), nothing.figures()
        return kept - reading, max(0, peak - reading)


    def counted(self, most, counter):
        """Bytes that a loop asks Python's allocators for; None where they cannot be counted."""
        try:
            import ctypes
            import sysconfig
            if sysconfig.get_config_var("Py_GIL_DISABLED"):
                return None  # its allocators are others
            library = ctypes.PyDLL(counter)
        except (ImportError, OSError):
            return None
        reading = library.counter_bytes
        reading.restype = ctypes.c_uint64
        library.counter_begin()
        nothing, run = CountRun(most), CountRun(most)
        self.empty(nothing, reading, int)
        self.without_gc(run, reading, int)
        return max(0, run.figure() - nothing.figure())


def about():
    """Who is measured."""
    try:
        name = sys.implementation.name
    except AttributeError:
        name = "pypy" if hasattr(sys, "pypy_version_info") else "cpython"
    return {
        "name": {"cpython": "CPython", "pypy": "PyPy"}.get(name, name),
        "version": "%d.%d.%d" % tuple(sys.version_info[:3]),
        "executable": sys.executable or "",
    }


def show_error():
    """The traceback from the statement on, or the syntax error, as Python itself would show it."""
    kind, error, frames = sys.exc_info()
    top = frames
    while top and top.tb_frame.f_code.co_filename != NAME:
        top = top.tb_next
    if sys.stdout:
        sys.stdout.flush()
    traceback.print_exception(kind, error, top)


def serve():
    main = sys.modules["__main__"].__dict__
    for name in ("os", "sys", "f"):
        main.pop(name, None)
    main.update(gc=gc, itertools=itertools, sys=sys, time=time)
    sys.argv[1:] = []
    for fd in (requests.fileno(), answers):
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    answer(**about())
    first = read_request()
    if first["own_seed"]:
        os.environ.pop("PYTHONHASHSEED", None)
    statement = Statement(first["setup"], first["statement"], main)
    answer(ready=True)
    while True:
        request = read_request()
        if request["do"] == "calibrate":
            statement.calibrate(request["clock"])
        elif request["do"] == "run":
            statement.run(request["loops"])
        elif request["do"] == "memory":
            statement.memory(request["loops"], request["counter"])


try:
    serve()
except EOFError:
    pass  # Glim has what it wanted
except KeyboardInterrupt:
    answer(interrupted=True)
except:  # noqa: E722: sys.exit, too, is an error of the statement here
    show_error()
    answer(failed=True)
