"""What `./dev bench mem` runs under each profiler: memory.py KIND N OUT. Writes into OUT how many seconds of CPU time
KIND took, how many units of work these were, and when it was over."""
import builtins
import itertools
import json
import sys
import time


def lines(n):
    """4 lines a turn."""
    x = 0
    for i in range(n):
        x += i
        x ^= 1
        x -= 1
    return 4 * n


def blocks(n):
    """Blocks of malloc, each freed at once."""
    for _ in itertools.repeat(None, n):
        bytes(600)
    return n


def objects(n):
    """The same of pymalloc."""
    for _ in itertools.repeat(None, n):
        bytes(20)
    return n


def row(i):
    return {"id": i, "name": "row %d" % i, "tags": [str(i), str(i + 1)], "score": i * 0.5}


def render(rows):
    parts = []
    for one in rows:
        parts.append("%(id)d %(name)s %(score).1f" % one)
    return "\n".join(parts)


def heavy(n):
    """Allocates nearly all the time: rows made, written, read, thrown away."""
    kept = []
    for start in range(0, n, 1000):
        rows = [row(i) for i in range(start, start + 1000)]
        text = render(rows)
        copies = [json.loads(json.dumps(one)) for one in rows[:200]]
        kept.append(len(text) + len(copies))
    return n


def step(a, b, c):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i] - c
        c = total % 7.0
    return total


def compute(n):
    """Numbers in calls and loops."""
    a, b, c = [i * 0.1 for i in range(100)], [i * 0.2 for i in range(100)], 1.0
    for _ in range(n):
        c = step(a, b, c) % 11.0
    return n


def main():
    work = {"lines": lines, "blocks": blocks, "objects": objects, "heavy": heavy, "compute": compute}[sys.argv[1]]
    if work is lines and hasattr(builtins, "profile"):  # memory_profiler measures what is wrapped, glim mem all
        work = builtins.profile(work)
    start = time.process_time()
    units = work(int(sys.argv[2]))
    seconds = time.process_time() - start
    ended = time.time()
    if "tracemalloc" in sys._xoptions:
        import tracemalloc
        snapshot = tracemalloc.take_snapshot()
        snapshot.statistics("traceback")
        snapshot.dump(sys.argv[3] + ".snapshot")
    with open(sys.argv[3], "w") as out:
        json.dump({"seconds": seconds, "units": units, "ended": ended}, out)


main()
