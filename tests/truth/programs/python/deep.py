"""Three hundred frames."""
import truth
from truth import clock, spend

T300 = truth.turns(300)


def leaf():
    start = clock()
    for _ in next(T300):
        pass
    spend(("<module> ... main" + " down*300 leaf", clock() - start))


def down(n):
    if n == 0:
        for _ in range(50):
            leaf()
    else:
        down(n - 1)


def main():
    down(299)


truth.run(main)
