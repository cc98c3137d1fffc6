"""A process that forks without exec, one that multiprocessing forks, one that it spawns, one that is executed: each
allocates on its own lines, and what was measured before the fork is the parent's. Python 3.6 and newer."""
import multiprocessing
import os
import subprocess
import sys

from telling import sized, tell, warm

BLOCK = 4 << 20
A = sized(BLOCK)


def before():
    held = [None]
    held[0] = bytearray(BLOCK)  #: 1; A
    return held


def in_fork():
    warm(__file__, "before")
    held = [None]
    held[0] = bytearray(BLOCK)  #: 1; A; where=other
    return held


def in_forked():
    warm(__file__, "before")
    held = [None]
    held[0] = bytearray(BLOCK)  #: 1; A; where=other
    return held


def in_spawned():
    warm(__file__, "before")
    held = [None]
    held[0] = bytearray(2 * BLOCK)  #: 1; sized(2 * BLOCK); where=other
    return held


def in_executed():
    warm(__file__, "before")
    held = [None]
    held[0] = bytearray(3 * BLOCK)  #: 1; sized(3 * BLOCK); where=other
    return held


def after():
    held = [None]
    held[0] = bytearray(BLOCK)  #: 1; A
    return held


def fork():
    child = os.fork()
    if not child:
        in_fork()
        os._exit(0)
    os.waitpid(child, 0)


def start(method, target):
    child = multiprocessing.get_context(method).Process(target=target)
    child.start()
    child.join()
    assert not child.exitcode


def main():
    if sys.argv[1:] == ["executed"]:
        in_executed()
        return
    warm(__file__, "before")
    before()
    fork()
    start("fork", in_forked)
    start("spawn", in_spawned)
    subprocess.check_call([sys.executable, os.path.abspath(__file__), "executed"])
    after()
    tell(__file__, globals())


if __name__ == "__main__":
    main()
