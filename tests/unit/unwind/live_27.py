# coding: utf-8
"""Code of every shape for test_python_live (live_tell.py), for Python 2."""
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


class Old:
    def method(self):
        return lambda: self


class New(object):
    def generator(self, n):
        for i in range(n):
            while i:
                i -= 1
                yield i


def long_one():
    x = 1






















































































































































    return x


source = "\n" * 5000 + "def far():\n    a = 1\n" + "\n" * 300 + "    return a\n"
namespace = {}
exec(compile(source, "/far/ἀρχή.py", "exec"), namespace)

live_tell.main([plain.__code__, Old.method.__code__, New.generator.__code__, long_one.__code__,
                namespace["far"].__code__, sys._getframe().f_code])
