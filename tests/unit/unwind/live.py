"""Code that only Python 3 has, for test_python_live (live_tell.py); live_27.py is for Python 2."""
import sys

import live_tell


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


live_tell.main([Äpfel.größe.__code__, Äpfel.later.__code__, 𐌰.__code__, sys._getframe().f_code])
