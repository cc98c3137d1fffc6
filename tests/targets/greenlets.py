"""Greenlets that wait in every way, for glim dump: the comments MARK tell which line is which.

With "busy" the greenlet that runs calls on and on, and switches to another one and back."""
import sys
import threading

import greenlet


def inner(parent):
    text = "in a greenlet"
    parent.switch()  # MARK inner
    return text


def outer(parent):
    inner(parent)  # MARK outer


def key(item):
    item.switch()  # MARK key
    return 0


def through_c(parent):
    sorted([parent], key=key)  # MARK through_c


def generator(parent):
    parent.switch()  # MARK generator
    yield 1


def generates(parent):
    for _ in generator(parent):  # MARK generates
        pass


class Named(greenlet.greenlet):
    pass


def deep(n, parent):
    if n:
        deep(n - 1, parent)  # MARK deep
    else:
        parent.switch()  # MARK deepest


def block(done):
    print("ready", flush=True)
    done.wait()  # MARK block


def blocks(done):
    block(done)  # MARK blocks


def start(kind, run, name, *args):
    g = kind(run)
    g.name = name
    g.switch(*args)
    return g


def other_thread(ready, done):
    me = greenlet.getcurrent()
    kept = start(Named, outer, "of the other thread", me)
    ready.set()
    done.wait()  # MARK other_thread
    del kept


def main():
    done, ready = threading.Event(), threading.Event()
    threading.Thread(target=other_thread, args=(ready, done), name="other", daemon=True).start()
    ready.wait()
    me = greenlet.getcurrent()
    kept = [start(greenlet.greenlet, outer, "plain", me), start(Named, outer, "derived", me),
            start(Named, through_c, "through C", me), start(Named, generates, "generates", me),
            start(Named, deep, "deep", 300, me)]
    unstarted = Named(outer)
    unstarted.name = "not started"
    dead = start(Named, deep, "dead", 1, me)
    dead.switch()
    assert dead.dead
    last = Named(blocks)
    last.name = "blocks"
    last.switch(done)  # MARK main
    del kept, unstarted


main()  # MARK module
