"""zlib, which lets go of the GIL, in two threads beside one that does not."""
import os
import threading
import zlib

import truth
from truth import clock, spend

T200 = truth.turns(200)
DATA = os.urandom(1 << 15)
ROOT = "threading.py:%s ... " % ("_bootstrap" if truth.VERSION >= (3,) else "__bootstrap")


def packs(rounds):
    for _ in range(rounds):
        start = clock()
        zlib.compress(DATA, 6)
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
