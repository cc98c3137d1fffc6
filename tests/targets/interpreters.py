"""Interpreters in a program: one that the main thread calls, one that another thread calls, and the first one's
own work in a third thread. CPython 3.8 and later.

Says "ready", works until it is killed. Each sleeps now and then: one interpreter does not ask another for the lock
that they share, to 3.11."""
import threading
import time

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = """
import time

def spin(n):
    x = 0
    for i in range(n):
        x += i

def %s():
    while True:
        spin(20000)
        time.sleep(0.0005)

%s()
"""


def spin(n):
    x = 0
    for i in range(n):
        x += i


def call(name):
    interpreters.run_string(interpreters.create(), CODE % (name, name))


def own_work():
    while True:
        spin(20000)
        time.sleep(0.0005)


threading.Thread(target=call, args=("in_thread",), daemon=True).start()
threading.Thread(target=own_work, daemon=True).start()
print("ready", flush=True)
call("in_main")
