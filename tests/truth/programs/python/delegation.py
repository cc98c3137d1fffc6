"""yield from: what is delegated to stands below who delegates, however deep. 3.3 and later."""
import truth
from truth import clock, spend

T300, T100 = truth.turns(300), truth.turns(100)


def bottom():
    for i in range(3):
        start = clock()
        for _ in next(T300):
            pass
        spend(("<module> ... main middle*8 bottom", clock() - start))
        yield i
    return 7


def middle(depth):
    if depth:
        got = yield from middle(depth - 1)
    else:
        got = yield from bottom()
    return got


def single():
    start = clock()
    for _ in next(T100):
        pass
    spend(("<module> ... main single", clock() - start))
    yield 1


def main():
    list(middle(7))
    for _ in single():
        pass


for caller, generator in ("main", middle), ("middle", middle), ("middle", bottom), ("main", single):
    truth.creates(caller, generator)
truth.run(main)
