"""Two functions, each of which calls its own leaf: no other caller of a leaf ever was. Calls are as
short as Python has them, so that a stack that is not read at once is wrong.

Says "ready", works until it is killed.
"""


def leaf_a():
    x = 0
    for i in range(3):
        x += i


def leaf_b():
    x = 0
    for i in range(3):
        x -= i


def hot_a():
    leaf_a()
    leaf_a()


def hot_b():
    leaf_b()
    leaf_b()


def work():
    for _ in range(1000):
        hot_a()
        hot_b()


print("ready", flush=True)
while True:
    work()
