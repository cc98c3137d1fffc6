"""A program that is over soon."""
import truth
from truth import clock, spend

T300, T100 = truth.turns(300), truth.turns(100)


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def one():
    leaf(T300, "<module> ... main one leaf")


def two():
    leaf(T100, "<module> ... main two leaf")


def main():
    one()
    two()


truth.run(main)
