# coding: utf-8
"""Makes functions of every kind and tells where their code is and what they are called, qualified, then
waits. Runs on 2.7, too. What nothing holds keeps its plain name."""
import binascii
import functools
import re
import sys


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return [function(*args) for _ in (1,)]

    return wrapper


class cached(object):
    """An attribute of a class that holds its function as others do."""

    def __init__(self, function):
        self.function = function


def plain():
    pass


def outer():
    def inner():
        return (lambda: 0), sorted(n for n in (2, 1))

    class Local(object):
        def method(self):
            pass

    return inner, Local


first, second = (lambda: 1), (lambda: [n for n in (2, 1)] or (m for m in (1,)))


class Old:
    def method(self):
        pass


class New(object):
    def method(self):
        return {n for n in (1, 2)}

    def __private(self):
        pass

    @classmethod
    def of_class(cls):
        pass

    @staticmethod
    def of_nobody():
        pass

    @property
    def value(self):
        pass

    @value.setter
    def value(self, value):
        pass

    @decorated
    def wrapped(self):
        pass

    @decorated
    @decorated
    def twice(self):
        pass

    @cached
    def kept(self):
        pass

    partial = functools.partial(lambda self: None, 1)

    class Inner(object):
        def method(self):
            def deepest():
                pass

            return deepest


class Derived(New):
    def method(self):
        pass


class Meta(type):
    def of_meta(cls):
        pass


# Names that 2.7 cannot have.
if sys.version_info > (3,):
    exec(compile("""class Größe(object):
    def zähle(self):
        pass
""", __file__, "exec"))


def codes(code):
    """A code object and all that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            for inner in codes(constant):
                yield inner


def tell(function, name):
    """name: None where it is nobody's."""
    paths = {function.__code__: name}
    for code in codes(function.__code__):
        name = paths[code]
        print("code %d %s" % (id(code), binascii.hexlify((name or code.co_name).encode("utf-8")).decode()))
        for inner in codes(code):
            if inner in code.co_consts:
                local = ".<locals>." if code.co_flags & 1 else "."
                paths[inner] = name and name + local + inner.co_name


def tell_method(function, name):
    """2.7 knows the class itself, not what is around it."""
    tell(function, name if sys.version_info > (3,) else ".".join(name.split(".")[-2:]))


def main():
    for function in (decorated, plain, outer, first, codes, re.compile, re.sub):
        tell(function, function.__name__)
    for name in ("method", "__private", "of_class", "of_nobody"):
        held = getattr(New, name.replace("__private", "_New__private"))
        tell(getattr(held, "__func__", held), "New." + name)
    tell(Old.__dict__["method"], "Old.method")
    tell(New.value.fget, "New.value")
    tell(New.value.fset, "New.value")
    tell(New.__dict__["kept"].function, "New.kept")
    tell(New.__dict__["wrapped"].__closure__[0].cell_contents, "New.wrapped")
    tell(New.__dict__["twice"].__closure__[0].cell_contents.__closure__[0].cell_contents, "New.twice")
    tell_method(New.Inner.__dict__["method"], "New.Inner.method")
    tell(Derived.__dict__["method"], "Derived.method")
    tell(Meta.__dict__["of_meta"], "Meta.of_meta")
    tell(re.Scanner.__dict__["scan"], "Scanner.scan")
    # To 2.7 a function does not know its qualified name, and who made this one is gone.
    if sys.version_info > (3,):
        tell(second, "<lambda>")
        tell(getattr(globals()["Größe"], "zähle"), "Größe.zähle")
    # Nothing that is looked through holds it.
    tell(keep[2], None)


keep = [outer(), decorated(plain), (lambda: 5)]
main()
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.read(1)
