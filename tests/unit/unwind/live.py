"""Code of every shape for test_python_live (live_tell.py); live_27.py is for Python 2."""
import sys

import live_tell


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


live_tell.main([plain.__code__, Äpfel.größe.__code__, Äpfel.later.__code__, 𐌰.__code__,
                long_one.__code__, namespace["far"].__code__, sys._getframe().f_code])
