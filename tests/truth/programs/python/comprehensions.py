"""Comprehensions, which are functions up to 3.11, and generator expressions, which are at all times."""
import truth
from truth import LISTCOMP, clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)
INSIDE = "" if truth.VERSION >= (3, 12) else " <%s>"
COMPREHENSION = "<module> ... main lists" + LISTCOMP + " leaf"
SET = "<module> ... main sets" + (INSIDE and INSIDE % "setcomp") + " leaf"
DICT = "<module> ... main dicts" + (INSIDE and INSIDE % "dictcomp") + " leaf"


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))
    return 0


def lists():
    return [
        leaf(T300, COMPREHENSION)
        for _ in range(3)
    ]


def sets():
    return {leaf(T200, SET) for _ in range(3)}


def dicts():
    return {i: leaf(T100, DICT) for i in range(3)}


def expressions():
    return sum(leaf(T200, "<module> ... main expressions <genexpr> leaf") for _ in range(3))


def main():
    lists()
    sets()
    dicts()
    expressions()


truth.run(main)
