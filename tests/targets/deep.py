"""500 calls deep, and then in C on top of it. Says "ready" and works until it is killed."""

import sys

sys.setrecursionlimit(5000)


def bottom():
    text = "".join(str(i) for i in range(3000))
    while True:
        hash(text + "x")
        text.count("9999")


def down(n):
    if n == 0:
        return bottom()
    return down(n - 1)


print("ready", flush=True)
down(500)
