"""Tells about its own code objects and its own stack, then waits at the end of a known stack."""
import dis
import sys


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


class Äpfel:
    """A name of Latin-1, and below one of Greek and one from beyond the first 65,536."""

    def größe(self):
        def ἀρχή():
            return 𐌰(1)
        return ἀρχή

    async def later(self):
        async with self as x:
            await x
        yield x


def 𐌰(n):
    while n:
        n -= 1
        if n == 3:
            continue
        for _ in range(2):
            pass
    return lambda: n


def long_one():
    x = 1


























































































































    return x


source = "\n" * 5000 + "def far():\n    a = 1\n" + "\n" * 300 + "    return a\n"
namespace = {}
exec(compile(source, "/far/away.py", "exec"), namespace)


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


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def tell(code):
    print("code", id(code), code.co_firstlineno, name_of(code).encode().hex(),
          code.co_filename.encode().hex())
    for start, stop, line in lines_of(code):
        for lasti in range(start, stop, 2):
            print("line", lasti, line)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            tell(constant)


def wait(_):
    frame = sys._getframe()
    while frame:
        code = frame.f_code
        # The line of this one will be that of the last statement.
        line = wait_line if code is wait.__code__ else frame.f_lineno
        print("frame", id(code), line, name_of(code).encode().hex())
        frame = frame.f_back
    sys.stdin.buffer.raw.read(print("ready", flush=True) or 1)


wait_line = wait.__code__.co_firstlineno + 8


def deep(n):
    if n:
        return deep(n - 1)
    return sorted([1], key=wait)


def generator():
    yield deep(400)


def main():
    for code in (plain.__code__, Äpfel.größe.__code__, Äpfel.later.__code__, 𐌰.__code__,
                 long_one.__code__, namespace["far"].__code__, sys._getframe().f_back.f_code):
        tell(code)
    for _ in generator():
        pass


sys.setrecursionlimit(3000)
main()
