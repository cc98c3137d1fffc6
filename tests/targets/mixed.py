"""Python that calls C that calls Python, forever: sorted, re.sub and zlib; a thread that waits beside."""
import re
import sys
import threading
import zlib


def key(number):
    total = 0
    for i in range(100):
        total += i
    return total


def replace(match):
    total = 0
    for i in range(100):
        total += i
    return "b"


def by_sort():
    return sorted(range(200), key=key)


def by_sub():
    return re.sub("a", replace, "a" * 200)


def by_zlib():
    return zlib.compress(bytes(range(256)) * 256, 9)


def turn():
    by_sort()
    by_sub()
    by_zlib()


def waiter(event):
    event.wait()


def work():
    thread = threading.Thread(target=waiter, args=(threading.Event(),), name="waiter")
    thread.daemon = True
    thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        turn()


work()
