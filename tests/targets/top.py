"""Works in six, three and one, 60 : 30 : 10 of its CPU time, all called by main.

With an argument: a function and a file of hostile names instead, "\\x1b[2J" and an OSC sequence.
Prints a line when it starts.
"""

import sys
import time


# What a code object is called: the second since 3.11.
NAMES = [n for n in ("co_name", "co_qualname") if hasattr(compile("", "", "exec"), n)]


def six():
    end = time.thread_time() + 0.06
    while time.thread_time() < end:
        pass


def three():
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        pass


def one():
    end = time.thread_time() + 0.01
    while time.thread_time() < end:
        pass


def main():
    while True:
        six()
        three()
        one()


def hostile():
    code = compile("def f():\n while True: pass\n", "/tmp/\x1b]0;owned\x07\u202eyp", "exec")
    names = {}
    exec(code, names)
    f = names["f"]
    f.__code__ = f.__code__.replace(**{name: "\x1b[2J\x1b[31mred" for name in NAMES})
    f()


print("ready", flush=True)
hostile() if len(sys.argv) > 1 else main()
