"""A thread that C made calls Python; the main thread waits. Runs on 2.7, too. Argument: c_threads.c as a library.

Says "ready", works until it is killed."""
import ctypes
import sys
import threading

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def spin(n):
    x = 0
    for i in range(n):
        x += i


@CALLBACK
def called(n):
    spin(20000)
    return n


def waits():
    threading.Event().wait(1e6)


ctypes.CDLL(sys.argv[1]).start(called)
sys.stdout.write("ready\n")
sys.stdout.flush()
waits()
