"""Greenlets take turns, for glim record: each of their stacks is known whole.

The first works in many ways and nine times as long as the others, of which there is one more for each
turn, as a server makes one for each request."""
import greenlet

source = """
def way_{n}():
    return total({n})
"""


def total(n):
    return sum(range(n % 7 + 20))


def make(n):
    scope = {"total": total}
    exec(source.format(n=n), scope)
    return scope[f"way_{n}"]


def work(ways):
    for way in ways:
        way()


def often(other, ways):
    while True:
        for _ in range(9):
            work(ways)
        other.switch()


def seldom(ways):
    work(ways)


def main():
    ways = [make(n) for n in range(100)] * 5
    first = greenlet.greenlet(often)
    print("ready", flush=True)
    while True:
        first.switch(greenlet.getcurrent(), ways)
        greenlet.greenlet(seldom).switch(ways)


main()
