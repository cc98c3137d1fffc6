"""Greenlets that take turns, each a stack of its own: of greenlet, or of gevent as the argument says."""
import sys

import truth
from truth import clock, spend

T200, T100 = truth.turns(200), truth.turns(100)
if "gevent" in sys.argv:
    import gevent

    gevent.sleep(0)  # imports what it needs

    def pause():
        gevent.sleep(0)

    def start(*functions):
        return [gevent.spawn(function) for function in functions]

    def turn(greenlets):
        gevent.sleep(0)
else:
    import greenlet

    MAIN = greenlet.getcurrent()

    def pause():
        MAIN.switch()

    def start(*functions):
        return [greenlet.greenlet(function) for function in functions]

    def turn(greenlets):
        for each in greenlets:
            each.switch()


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def often():
    while True:
        for _ in range(3):
            leaf(T200, "often leaf")
        pause()


def seldom():
    while True:
        leaf(T100, "seldom leaf")
        pause()


def inner():
    leaf(T200, "outer inner leaf")
    pause()


def outer():
    while True:
        inner()


def passing():
    leaf(T100, "passing leaf")


def main():
    """Those that live on, and one that lives for this turn."""
    if not greenlets:
        greenlets.extend(start(often, seldom, outer))
    turn(greenlets)
    turn(start(passing))
    leaf(T100, "<module> ... main leaf")


truth.roots.update(("often", "seldom", "outer", "passing"))
greenlets = []
truth.run(main)
