# coding: utf-8
"""Tells about code objects and its own stack, then waits at the end of a known stack: first without
the GIL, then with it. For every Python from 2.7 on."""
import binascii
import ctypes
import dis
import os
import sys


def lines_of(code):
    """(first offset, end, line) of code, as the interpreter itself sees it."""
    end = len(code.co_code)
    if sys.version_info >= (3, 10):
        for start, stop, line in code.co_lines():
            if line is not None:
                yield start, stop, line
        return
    starts = list(dis.findlinestarts(code))
    for i, (start, line) in enumerate(starts):
        yield start, starts[i + 1][0] if i + 1 < len(starts) else end, line


def put(*words):
    sys.stdout.write(" ".join(str(w) for w in words) + "\n")
    sys.stdout.flush()


def hexadecimal(text):
    return binascii.hexlify(text if isinstance(text, bytes) else text.encode()).decode()


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def tell(code):
    put("code", id(code), code.co_firstlineno, hexadecimal(name_of(code)),
        hexadecimal(code.co_filename))
    for start, stop, line in lines_of(code):
        for lasti in range(start, stop, 2):
            put("line", lasti, line)
    if sys.version_info >= (3, 11):
        for i, place in enumerate(code.co_positions()):
            if None not in place:
                put("range", 2 * i, *place)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            tell(constant)


def wait(_):
    frame = sys._getframe()
    while frame:
        code = frame.f_code
        # The line of this one will be that of the last loop.
        line = code.co_firstlineno + 11 if code is wait.__code__ else frame.f_lineno
        put("frame", id(code), line, hexadecimal(name_of(code)))
        frame = frame.f_back
    byte = ctypes.create_string_buffer(1)
    with_gil = ctypes.PyDLL(None).read
    for read, arguments in ((os.read, (0, 1)), (with_gil, (0, byte, 1))):
        put("ready") or read(*arguments)


def deep(n):
    if n:
        return deep(n - 1)
    return sorted([1], key=wait)


def generator():
    yield deep(400)


# ---- code of every shape that all versions have ----


def plain(a, b):
    c = (a +
         b)

    if c:
        return [x
                for x in range(3)
                if x]
    try:
        d = {
            "one": a,
            "two": plain(
                a,
                b,
            ),
        }
    except ValueError as e:
        d = e
    finally:
        c = 0
    return d


def long_one():
    x = 1






















































































































































    return x


source = "\n" * 5000 + "def far():\n    a = 1\n" + "\n" * 300 + "    return a\n"
namespace = {}
exec(compile(source, "/far/ἀρχή.py", "exec"), namespace)


def main(codes):
    sys.setrecursionlimit(3000)
    for code in codes + [plain.__code__, long_one.__code__, namespace["far"].__code__]:
        tell(code)
    for _ in generator():
        pass
