"""Python called by C: by sorted, re.sub, map, a ctypes callback, a comparison, a finalizer."""
import ctypes
import re

import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def key(x):
    leaf(T300, "<module> ... main key leaf")
    return x


def replacement(match):
    leaf(T200, "<module> ... main ... replacement leaf")
    return "x"


def mapped(x):
    leaf(T100, "<module> ... main mapped leaf")
    return x


def called_by_c(a, b):
    leaf(T200, "<module> ... main called_by_c leaf")
    return 0


class Ordered(object):
    def __lt__(self, other):
        leaf(T100, "<module> ... main __lt__ leaf")
        return True


class Finalized(object):
    def __del__(self):
        leaf(T100, "<module> ... main __del__ leaf")


COMPARISON = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(called_by_c)
QSORT = ctypes.CDLL(None).qsort
QSORT.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
NUMBERS = (ctypes.c_int * 4)(3, 1, 4, 1)
PATTERN = re.compile("a")


def main():
    sorted([3, 1, 2], key=key)
    PATTERN.sub(replacement, "banana")
    list(map(mapped, "abc"))
    QSORT(NUMBERS, 4, 4, ctypes.cast(COMPARISON, ctypes.c_void_p))
    min(Ordered(), Ordered(), Ordered())
    Finalized()


truth.run(main)
