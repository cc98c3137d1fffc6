"""Starts, works a third of a second in a known function, and ends."""

import time


def brief():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        sum(range(100))


brief()
