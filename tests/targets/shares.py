"""Three functions that use 70, 20 and 10 % of the CPU time, by the thread's own clock.

Says "ready", works until it is killed.
"""

import time


def use(seconds):
    end = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + seconds
    x = 0
    while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < end:
        for i in range(200):
            x += i
    return x


def seventy():
    use(0.0259)


def twenty():
    use(0.0074)


def ten():
    use(0.0037)


print("ready", flush=True)
while True:
    seventy()
    twenty()
    ten()
