"""Threads that do known things, for glim dump: the comments MARK tell which line is which."""
import os
import sys
import threading


def burn(n, password="hunter2"):
    data = {"a": [1, 2], "token": "abc", "n": n}
    count = 0

    def look():
        return data

    look()
    while True:
        count += 1  # MARK burn burn2


def wait(event, *args, **kwargs):
    text = "it's \x1b[31m"
    number = 12.5
    event.wait()  # MARK wait
    return text, number, args, kwargs


def read(fd):
    os.read(fd, 1)  # MARK read


class Ärger:
    def größe(self):
        lock.acquire()  # MARK lock


event, lock = threading.Event(), threading.Lock()
lock.acquire()
started = []


def start(name, target, *args, **kwargs):
    thread = threading.Thread(target=target, args=args, kwargs=kwargs, name=name, daemon=True)
    thread.start()


start("waiter", wait, event, 1, "two", three=3)
start("reader", read, os.pipe()[0])
start("größe \x1b[31m", Ärger().größe)
if len(sys.argv) > 1:
    start("burner", burn, 7)
print("ready", flush=True)
if len(sys.argv) > 1:
    burn(8)  # MARK main
wait(event)  # MARK main_wait
