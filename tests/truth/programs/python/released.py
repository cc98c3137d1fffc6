"""Code that lets go of the GIL, in two threads beside one that does not: of zlib, or of numpy as the argument says."""
import functools
import os
import sys
import threading
import zlib

import truth
from truth import clock, spend

T200 = truth.turns(200)
ROOT = "threading.py:%s ... " % ("_bootstrap" if truth.VERSION >= (3,) else "__bootstrap")


def released():
    """A function of C, of some hundred microseconds."""
    if "numpy" not in sys.argv:
        return functools.partial(zlib.compress, os.urandom(1 << 15), 6)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # it starts threads of its own
    import numpy

    return functools.partial(numpy.sin, numpy.linspace(0.0, 1000.0, 1 << 15))


work = released()


def packs(rounds):
    for _ in range(rounds):
        start = clock()
        work()
        spend((ROOT + "packs", clock() - start))


def counts(rounds):
    for _ in range(rounds):
        start = clock()
        for _ in next(T200):
            pass
        spend((ROOT + "counts", clock() - start))


def main():
    rounds = truth.rounds(200)  # few samples are of the start of threads
    threads = [threading.Thread(target=target, args=(rounds,)) for target in (packs, packs, counts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


truth.run(main)
