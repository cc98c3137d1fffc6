# -*- coding: utf-8 -*-
"""Names that are not ASCII: of one, two and four bytes a letter in memory. 3.0 and later."""
import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def größe():
    start = clock()
    for _ in next(T300):
        pass
    spend(("<module> ... main größe", clock() - start))


def 測定():
    start = clock()
    for _ in next(T200):
        pass
    spend(("<module> ... main 測定", clock() - start))


def 𐌰𐌱𐌲():
    start = clock()
    for _ in next(T100):
        pass
    spend(("<module> ... main Ωμέγα 𐌰𐌱𐌲", clock() - start))


def Ωμέγα():
    𐌰𐌱𐌲()


def main():
    größe()
    測定()
    Ωμέγα()


truth.run(main)
