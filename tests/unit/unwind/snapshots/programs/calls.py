import functools
import os
def key(a, b):
    os.read(0, 1)
    return a - b
class A:
    def __init__(self, n):
        self.v = sorted([n, 1, 2], key=functools.cmp_to_key(key))
def middle(n):
    return [A(i).v for i in map(lambda x: x + n, [3])]
def outer():
    return max(map(middle, [1, 2]))
outer()
