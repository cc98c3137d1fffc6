"""Starts, works a third of a second in a known function, and ends."""

import time


def brief():
    end = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + 0.3
    while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < end:
        sum(range(100))


brief()
