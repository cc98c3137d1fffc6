"""A stack that is known: Python and C in turns, a method, a lambda, names beyond ASCII, threads.

The lines that tests look for are marked. Says "ready" and works until it is killed.
"""

import sys
import threading


def spin(n):
    total = 0
    for i in range(n):
        total += i * i  # line: spin
    return total


class Brücke:
    def über(self, n):
        return spin(n)  # line: method


def compare(key):
    return Brücke().über(3000)  # line: key


def through_c(n):
    # list.sort calls back into Python: one more call of the interpreter's loop.
    return sorted(range(n), key=compare)  # line: sort


def generator(n):
    for _ in range(n):
        yield through_c(2)  # line: yield


def outer():
    for _ in generator(4):  # line: for
        pass


def work():
    while True:
        outer()  # line: work


def in_thread():
    work()  # line: thread


threading.Thread(target=in_thread, daemon=True).start()
print("ready", flush=True)
work()  # line: module
