"""A Python process for benchmarks: idle, light (1 % of the time) or busy; see load.c."""
import json
import re
import sys
import threading
import time

WORDS = re.compile(r"\w+")


def parse(text):
    return {w: len(w) for w in WORDS.findall(text)}


def handle(depth, text):
    if depth:
        return handle(depth - 1, text)
    return json.loads(json.dumps(parse(text)))


def request(text):
    return sorted(handle(20, text).items(), key=lambda item: -item[1])


def work(seconds, text="the quick brown fox jumps over the lazy dog " * 20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        request(text)


def main():
    kind = sys.argv[1]
    # A second thread that waits, as most servers have.
    threading.Thread(target=threading.Event().wait, daemon=True, name="waiter").start()
    while True:
        if kind == "busy":
            work(0.1)
        elif kind == "light":
            work(0.002)
            time.sleep(0.198)
        else:
            time.sleep(1)


main()
