"""Forks children that work a little, in a function that the parent never runs, and end.

Says "ready", works until it is killed.
"""

import os
import time


def use(seconds):
    end = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + seconds
    x = 0
    while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < end:
        x += sum(range(100))
    return x


def in_child():
    use(0.06)


def in_parent():
    use(0.02)


in_parent()
print("ready", flush=True)
while True:
    pid = os.fork()
    if not pid:
        in_child()
        os._exit(0)
    in_parent()
    os.waitpid(pid, 0)
