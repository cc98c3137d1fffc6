"""Functions that only their class or their function tells apart, each as busy as the others. Runs on 2.7, too.

Says "ready", works until it is killed."""
import functools
import sys


def spin():
    x = 0
    for i in range(2000):
        x += i
    return x


def decorated(function):
    @functools.wraps(function)
    def wrapper(self):
        return function(self)

    return wrapper


class Base(object):
    def run(self):
        return spin()

    @decorated
    def step(self):
        return spin()


class Derived(Base):
    def run(self):
        return spin()

    @classmethod
    def make(cls):
        return spin()


class Old:
    def run(self):
        return spin()


def outer():
    def run():
        return spin()

    return run


def main():
    inner = outer()
    while True:
        Base().run()
        Derived().run()
        Derived().step()
        Derived.make()
        Old().run()
        inner()


sys.stdout.write("ready\n")
sys.stdout.flush()
main()
