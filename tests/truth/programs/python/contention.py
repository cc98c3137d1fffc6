"""Four threads that want the GIL all the time."""
import threading

import truth
from truth import clock, spend

T300, T200 = truth.turns(300), truth.turns(200)


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def even(rounds):
    for _ in range(rounds):
        leaf(T300, "threading.py:%s ... even leaf" % BOOTSTRAP)


def odd(rounds):
    for _ in range(rounds):
        leaf(T200, "threading.py:%s ... odd leaf" % BOOTSTRAP)


BOOTSTRAP = "_bootstrap" if truth.VERSION >= (3,) else "__bootstrap"


def main():
    rounds = truth.rounds(200)  # few samples are of the start of threads
    threads = [threading.Thread(target=odd if i % 2 else even, args=(rounds,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


truth.run(main)
