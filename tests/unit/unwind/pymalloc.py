"""Tells how much Python's allocator of small objects has given out, in three phases, each until a line comes in."""
import os
import sys
import tempfile

COUNT, SIZE = 100000, 112


def known():
    """What the interpreter itself says; 0 where it says nothing (2.7, or another allocator)."""
    if not hasattr(sys, "_debugmallocstats"):
        return 0
    with tempfile.TemporaryFile("w+") as told:
        stderr = os.dup(2)
        os.dup2(told.fileno(), 2)
        sys._debugmallocstats()
        os.dup2(stderr, 2)
        os.close(stderr)
        told.seek(0)
        for line in told:
            if line.startswith("# bytes in allocated blocks"):
                return int(line.split("=")[1].replace(",", ""))
    return 0


def tell(bytes_more):
    sys.stdout.write("%d %d\n" % (known(), bytes_more))
    sys.stdout.flush()
    sys.stdin.readline()


overhead = sys.getsizeof(b"")
kept = [None] * COUNT
text = b"x" * (SIZE - overhead)
known()
tell(0)
for i in range(COUNT):
    kept[i] = text[:-1] + b"y"
assert sys.getsizeof(kept[0]) == SIZE
tell(COUNT * SIZE)
del kept
tell(0)
