"""Functions that call themselves and each other, twenty deep at most."""
import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def down(n):
    if n:
        down(n - 1)
    else:
        leaf(T300, "<module> ... main down*21 leaf")


def even(n):
    if n == 0:
        leaf(T200, "<module> ... main" + " even odd" * 5 + " even leaf")
    else:
        odd(n - 1)


def odd(n):
    even(n - 1)
    if n == 1:
        leaf(T100, "<module> ... main" + " even odd" * 5 + " leaf")


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def main():
    down(20)
    even(10)


truth.run(main)
