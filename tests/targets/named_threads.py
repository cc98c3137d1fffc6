"""Threads one after the other, which get the same place in memory, each named as its function. It ends
with the process that started it."""
import os
import sys
import threading
import time


def alpha(end):
    while time.time() < end:
        sum(range(1000))


def beta(end):
    while time.time() < end:
        sum(range(1000))


def renamed(end):
    threading.current_thread().name = "thread-renamed"
    while time.time() < end:
        sum(range(1000))


parent = os.getppid()
sys.stdout.write("ready\n")
sys.stdout.flush()
while os.getppid() == parent:
    for f in alpha, beta, renamed:
        t = threading.Thread(target=f, name="thread-" + f.__name__, args=(time.time() + 0.5,))
        t.start()
        t.join()
