"""multiprocessing by fork or spawn, as the argument says: two children and the parent, each with work of its
own. Those of spawn are interpreters of their own."""
import multiprocessing
import sys

import truth
from truth import clock, spend

HOW = sys.argv[1]
ROOT = {"fork": "<module> main", "spawn": "<string>:<module>"}[HOW]
T300, T200 = truth.turns(300), truth.turns(200)


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def work():
    leaf(T300, ROOT + " ... child ... work leaf")


def parent():
    leaf(T200, "<module> main ... parent leaf")


def child():
    truth.run(work)


def main():
    make = multiprocessing.get_context(HOW) if truth.VERSION >= (3, 4) else multiprocessing
    children = [make.Process(target=child) for _ in range(2)]
    for process in children:
        process.start()
    truth.run(parent)
    for process in children:
        process.join()
    sys.exit(any(process.exitcode for process in children))


if __name__ == "__main__":
    main()
