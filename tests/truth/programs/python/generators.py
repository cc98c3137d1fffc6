"""Generators that draw from each other; the one that is drawn from stands below the one that draws."""
import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def leaf(place):
    start = clock()
    for _ in next(T300):
        pass
    spend((place, clock() - start))


def numbers():
    for i in range(5):
        leaf("<module> ... main evens numbers leaf")
        yield i


def evens():
    for i in numbers():
        start = clock()
        for _ in next(T200):
            pass
        spend(("<module> ... main evens", clock() - start))
        if i % 2 == 0:
            yield i


def endless():
    got = None
    while True:
        start = clock()
        for _ in next(T100):
            pass
        spend(("<module> ... main sends endless", clock() - start))
        got = yield got


def sends(generator):
    for i in range(5):
        generator.send(i)


GENERATOR = endless()




def main():
    for _ in evens():
        pass
    sends(GENERATOR)


truth.creates("main", evens)
truth.creates("evens", numbers)
next(GENERATOR)
truth.run(main)
