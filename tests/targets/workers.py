# -*- coding: utf-8 -*-
"""Children of multiprocessing, by every way to start them or by those that arguments name, each of which works now
and then. Each says "child", its number and its name, the parent "ready" when it has started all. Children end when
the parent has. Runs on 2.7, too."""
import multiprocessing
import os
import sys
import time


def spin(parent):
    os.write(1, ("child %d %s\n" % (os.getpid(), multiprocessing.current_process().name)).encode("utf-8"))
    while os.path.exists("/proc/%d" % parent):
        sum(range(50000))
        time.sleep(0.005)
    os._exit(0)


def main():
    ways = [multiprocessing]
    if hasattr(multiprocessing, "get_all_start_methods"):
        ways = [multiprocessing.get_context(way) for way in sys.argv[1:] or multiprocessing.get_all_start_methods()]
    pools = [way.Pool(1) for way in ways]
    for way, pool in zip(ways, pools):
        pool.apply_async(spin, (os.getpid(),))
        way.Process(target=spin, args=(os.getpid(),)).start()
    ways[0].Process(target=spin, args=(os.getpid(),), name="named by \033 hand").start()
    os.write(1, ("ready %d\n" % (2 * len(ways) + 1)).encode("utf-8"))
    time.sleep(600)


if __name__ == "__main__":
    main()
