"""A program to be profiled: target.py COUNTER THREADS KIND

One thread works, the others wait, each fifteen frames deep. KIND: work; deep (300 frames); clock, where
function slot_N runs at N times 5 ms of the monotonic clock, so that a sample tells when it was taken.
COUNTER is a file of 8 bytes: how often the work was done."""
import mmap
import struct
import sys
import threading
import time

SLOT_S, SLOTS = 0.005, 1000


def called(depth, function):
    if depth:
        called(depth - 1, function)
    else:
        function()


def waits():
    threading.Event().wait()


def leaf(n):
    total = 0
    for i in range(n):
        total += i
    return total


def one():
    return leaf(30)


def two():
    return leaf(10) + leaf(10)


def works():
    done = 0
    while True:
        for _ in range(100):
            one()
            two()
        done += 100
        COUNTER[0:8] = struct.pack("<q", done)


def slots():
    source = "def slot_%d(end):\n    while now() < end:\n        pass\n"
    namespace = {"now": time.monotonic}
    for i in range(SLOTS):
        exec(source % i, namespace)
    while True:
        at = int(time.monotonic() / SLOT_S)
        namespace["slot_%d" % (at % SLOTS)]((at + 1) * SLOT_S)


with open(sys.argv[1], "r+b") as file:
    COUNTER = mmap.mmap(file.fileno(), 8)
for _ in range(int(sys.argv[2]) - 1):
    thread = threading.Thread(target=called, args=(12, waits))
    thread.daemon = True
    thread.start()
called({"work": 12, "deep": 297, "clock": 1}[sys.argv[3]], slots if sys.argv[3] == "clock" else works)
