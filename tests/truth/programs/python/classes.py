"""Methods of all kinds, lambdas, closures, decorators, metaclasses."""
import functools

import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


class Meta(type):
    def __call__(cls, *args):
        leaf(T100, "<module> ... main __call__ leaf")
        return super(Meta, cls).__call__(*args)


class Base(object):
    def method(self):
        leaf(T300, "<module> ... main method leaf")

    @classmethod
    def of_class(cls):
        leaf(T200, "<module> ... main of_class leaf")

    @staticmethod
    def of_nobody():
        leaf(T100, "<module> ... main of_nobody leaf")

    @property
    def value(self):
        leaf(T100, "<module> ... main value leaf")
        return 1

    def __getattr__(self, name):
        leaf(T100, "<module> ... main __getattr__ leaf")
        return 1


class Derived(Base):
    def method(self):
        super(Derived, self).method()

    @decorated
    def wrapped(self):
        leaf(T200, "<module> ... main wrapper wrapped leaf")


Made = Meta("Made", (object,), {})


def closure():
    place = "<module> ... main inner leaf"

    def inner():
        leaf(T200, place)

    return inner


INNER = closure()
LAMBDA = (lambda: leaf(T200, "<module> ... main <lambda> leaf"))


def main():
    base, derived = Base(), Derived()
    base.method()
    Base.of_class()
    derived.of_nobody()
    base.value
    base.absent
    derived.wrapped()
    Made()
    INNER()
    LAMBDA()


truth.run(main)
