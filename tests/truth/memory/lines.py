"""Lines that allocate known amounts, in every place that a line can be in. Python 2.7 and 3."""
import sys
import threading

from telling import sized, tell, warm

BLOCK = 4 << 20
A = sized(BLOCK)
NUMBER = 32  # that is made anew
PYTHON_OBJECTS = 4096  # frames, lists, dicts of instances: beside the blocks
ASIDE = 64 << 10  # what starting a thread or raising brings along


def nothing():
    pass


def straight():
    held = [None, None]
    held[0] = bytearray(BLOCK)  #: 1; A
    held[1] = bytearray(2 * BLOCK)  #: 1; sized(2 * BLOCK)
    number = 1  #: 1; 0
    held[0] = None  #: 1; -A
    return number  #: 1; 0


def containers():
    held = [None]
    held[0] = [None] * (BLOCK // 8)  #: 1; BLOCK; slack=256
    held[0] = None  #: 1; -BLOCK; slack=256
    held[0] = (1,) * (BLOCK // 8)  #: 1; BLOCK; slack=256
    held[0] = b"x" * BLOCK  #: 1; 0; slack=256
    held[0] = None  #: 1; -BLOCK; slack=256


def loops():
    held = [None] * 5
    for i in range(5):  #: 6; 0; slack=256
        held[i] = bytearray(BLOCK)  #: 5; 5 * A
        scratch = bytearray(BLOCK)  #: 5; 5 * A
        count = i  #: 5; 0
        del scratch  #: 5; -5 * A
    again = 0
    while again < 3:  #: 4; 0
        held[again] = None  #: 3; -3 * A
        again += 1  #: 3; 0
    return count


def inner(held, i):
    held[i] = bytearray(BLOCK)  #: 3; 3 * A
    return i  #: 3; 0


def nested():
    held = [None] * 3
    for i in range(3):  #: 4; 0; slack=256
        inner(held, i)  #: 3; 3 * A; own=0; slack=PYTHON_OBJECTS
    held[0] = held[1] = None  #: 1; -2 * A


def temporary():
    scratch = bytearray(BLOCK)  #: 3; 3 * A
    return len(scratch)  #: 3; 0; slack=3 * NUMBER


def frees():
    """What a call took and gave back is no growth of the line that called."""
    for _ in range(3):  #: 4; 0; slack=256
        temporary()  #: 3; 0; slack=PYTHON_OBJECTS


def recurse(held, depth):
    held[depth] = bytearray(BLOCK)  #: 4; 4 * A
    if depth:  #: 4; 0
        recurse(held, depth - 1)  #: 3; 3 * A; own=0; slack=PYTHON_OBJECTS
    return depth  #: 4; 0


def recursion():
    held = [None] * 4
    recurse(held, 3)  #: 1; 4 * A; own=0; slack=PYTHON_OBJECTS


def freed_inside():
    size = len(bytearray(4 * BLOCK))  #: 1; 0; peak=sized(4 * BLOCK); slack=NUMBER
    return size  #: 1; 0


def produce(held):
    for i in range(3):  #: 4; 0; slack=256
        held[i] = bytearray(BLOCK)  #: 3; 3 * A
        yield i  #: 3; 0; slack=256


def generators():
    held = [None] * 3
    own = [None] * 3
    for i in produce(held):  #: 4; 3 * A; own=0; slack=PYTHON_OBJECTS
        own[i] = bytearray(2 * BLOCK)  #: 3; 3 * sized(2 * BLOCK)
        held[i] = None  #: 3; -3 * A
    return own


def fails(held):
    held[0] = bytearray(BLOCK)  #: 1; A
    raise ValueError  #: 1; 0; slack=ASIDE


def exceptions():
    held = [None]
    try:
        fails(held)  #: 1; A; own=0; slack=ASIDE
    except ValueError:  #: 1; 0; slack=ASIDE
        held[0] = None  #: 1; -A; slack=ASIDE


def comprehensions():
    held = [bytearray(BLOCK) for _ in range(3)]  #: 1; 3 * A; slack=PYTHON_OBJECTS; since=(3,)
    held = {i: bytearray(BLOCK) for i in range(2)}  #: 1; -A; slack=PYTHON_OBJECTS
    size = sum(len(bytearray(BLOCK)) for i in range(3))  #: 1; 0; slack=PYTHON_OBJECTS
    return held, size


class Holder(object):
    def fill(self):
        self.data = bytearray(BLOCK)  #: 2; 2 * A; slack=PYTHON_OBJECTS

    @property
    def filled(self):
        self.fill()  #: 1; A; own=0; slack=PYTHON_OBJECTS
        return self  #: 1; 0


def decorated(function):
    def wrapper(*args):
        return function(*args)  #: 1; A; own=0; slack=PYTHON_OBJECTS
    return wrapper


@decorated
def fill(holder):
    holder.fill()  #: 1; A; own=0; slack=PYTHON_OBJECTS


def methods():
    holders = [Holder(), Holder()]
    fill(holders[0])  #: 1; A; own=0; slack=PYTHON_OBJECTS
    assert holders[1].filled  #: 1; A; own=0; slack=PYTHON_OBJECTS
    key = lambda held: held.__setitem__(0, bytearray(BLOCK))  # noqa: E731
    key(holders)  #: 1; 0; slack=PYTHON_OBJECTS


def works(held, i):
    held[i] = bytearray(BLOCK)  #: 2; 2 * A
    number = i  #: 2; 0
    return number


def threads():
    held = [None] * 2
    for i in range(2):
        thread = threading.Thread(target=works, args=(held, i))
        thread.start()
        thread.join()
    held[0] = None  #: 1; -A


def waits(mine, other, held, i):
    """Takes turns with another thread: what that one allocates meanwhile is not this one's line's."""
    for _ in range(2):
        mine.acquire()  #: 4; 0; only=allocated; slack=PYTHON_OBJECTS
        held[i] = bytearray(BLOCK)  #: 4; 2 * A
        other.release()


def turns():
    held, locks = [None] * 2, [threading.Semaphore(1), threading.Semaphore(0)]
    both = [threading.Thread(target=waits, args=(locks[i], locks[1 - i], held, i)) for i in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()


def work():
    straight()
    containers()
    loops()
    nested()
    frees()
    recursion()
    assert freed_inside()
    generators()
    exceptions()
    comprehensions()
    methods()
    threads()
    turns()


if __name__ == "__main__":
    warm(__file__, "work")
    work()
    tell(__file__, globals())
    sys.exit(3)
