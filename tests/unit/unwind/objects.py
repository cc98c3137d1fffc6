"""Makes objects of every kind and tells where they are and how they are written, then waits."""
import collections
import sys
import threading

RAW = sys.stdin.buffer.raw


class Plain:
    """Attributes in the order of its class: values without a dict of their own."""

    def __init__(self, n):
        self.first = n
        self.second = "two"
        self.third = [n]


class Slim:
    __slots__ = ("only",)


class Many:
    pass


class Number(int):
    pass


class Text(str):
    pass


def tell(value, written=None):
    keep.append(value)
    text = repr(value) if written is None else written
    if sys.version_info < (3, 7) and isinstance(value, Exception):
        text = text.replace(",)", ")")
    print("object", id(value), text.encode("utf-8").hex())


def tell_attribute(owner, name, value):
    keep.extend((owner, value))
    print("attribute", id(owner), name, id(value) if value is not None else 0)


keep = []
big_set = set(range(40))
for i in range(3, 38):
    big_set.discard(i)  # leaves marks
shrunk = {i: i for i in range(600)}
for i in range(2, 600):
    del shrunk[i]
loop = [1]
loop.append(loop)
knot = {"a": 1}
knot["self"] = knot
ordered = collections.OrderedDict([("b", 1), ("a", 2)])
counted = collections.namedtuple("Point", "x y")(1, 2)

for value in (None, True, False, 0, 1, -1, 2**30 - 1, 2**30, -2**30, 2**60 + 7, 2**63 - 1, -2**63, 2**64,
              10**27, -10**90, 123456789 * 10**9, 0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e15, 123456789012345680.0,
              1e-4, 1e-5, 2.5e-10, 1e300, 1 / 3, float("inf"), float("-inf"), float("nan"),
              "", "plain", "it's", 'both \' and "', "tab\t nl\n back\\ esc\x1b nul-free \x7f\x85\xad", "größe",
              "ἀρχή", "𐌰 mixed", b"", b"bytes \x00\xff '", (), (1,), (1, "two", None), [], [1, [2, [3]]],
              set(), {7}, {}, {"a": 1, "b": [1, 2]}, {1: 2, None: (3,)}, shrunk,
              ValueError("wrong"), KeyError(), OSError(2, "none")):
    tell(value)
tell(loop, "[1, ...]")
tell(knot, "{'a': 1, 'self': ...}")
tell(frozenset({1}), "frozenset({1})")
tell(ordered, "OrderedDict({'b': 1, 'a': 2})")
tell(counted, "Point((1, 2))")
tell(Number(5), "Number(5)")
tell(Text("t"), "Text('t')")
tell(Text("ä€𐌰"), "Text('ä€𐌰')")
tell("x" * 200, "'" + "x" * 128 + "'...")
tell(b"x" * 200, "b'" + "x" * 128 + "'...")
tell(list(range(30)), "[" + ", ".join(map(str, range(20))) + ", ...]")
tell({i: i for i in range(30)}, "{" + ", ".join("%d: %d" % (i, i) for i in range(20)) + ", ...}")
tell([[[[[[1]]]]]], "[[[[...]]]]")
tell(1 << 5000, "<int of 5010 bits>")
tell({"password": "x", "API-Key": 1, "user": "u", "auth_token": 2},
     "{'password': <hidden>, 'API-Key': <hidden>, 'user': 'u', 'auth_token': <hidden>}")
tell(sys, "<module sys>")
tell(Plain, "<class Plain>")
tell(collections.OrderedDict, "<class OrderedDict>")
tell(tell, "<function tell>")
tell(Plain.__init__, "<function Plain.__init__>")
plain = Plain(1)
tell(plain.__init__, "<bound method Plain.__init__>")
tell(plain, "<Plain at 0x%x>" % id(plain))
tell(big_set)

tell_attribute(plain, "first", plain.first)
tell_attribute(plain, "third", plain.third)
tell_attribute(plain, "missing", None)
asked = Plain(2)
asked.__dict__["later"] = keep  # the dict is made
tell_attribute(asked, "second", asked.second)
tell_attribute(asked, "later", keep)
many = Many()
for i in range(100):
    setattr(many, "a%d" % i, str(i) * 3)
tell_attribute(many, "a99", many.a99)
tell_attribute(many, "a100", None)
gone = Plain(3)
del gone.second
tell_attribute(gone, "second", None)
tell_attribute(gone, "third", gone.third)
slim = Slim()
slim.only = 1
tell_attribute(slim, "only", None)
tell_attribute(Number(3), "any", None)
error = ValueError("with notes")
error.extra = keep
tell_attribute(error, "extra", keep)


def sleeper(started, end):
    started.set()
    end.wait()


end = threading.Event()
for name in ("worker-1", "größe", "with space"):
    started = threading.Event()
    thread = threading.Thread(target=sleeper, args=(started, end), name=name)
    thread.start()
    started.wait()
    print("thread", thread.ident, name.encode("utf-8").hex())
main = threading.current_thread()
main.name = "the main one"
print("thread", main.ident, main.name.encode("utf-8").hex())
print("ready")
sys.stdout.flush()
RAW.read(1)
end.set()
