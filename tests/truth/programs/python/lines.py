"""Every line is known: each place says at which line its time is spent."""
import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


def at(place):
    return "<module> ... " + place


def loop():
    start = clock()
    for _ in next(T300):
        pass
    spend((at("main loop"), clock() - start))
    start = clock()
    for _ in \
            next(T100):
        pass
    spend((at("main loop"), clock() - start))


def burn(us, place):
    start = clock()
    for _ in next(us): pass
    spend((place, clock() - start))
    return 1


def several_lines():
    total = burn(
        T100,
        at(
            "main several_lines burn"
        ),
    )
    total = (
        burn(T100, at("main several_lines burn"))
        + burn(T200, at("main several_lines burn"))
        + burn(
            T100, at("main several_lines burn"))
    )
    return [
        total,
        burn(T100, at("main several_lines burn")), burn(T100, at("main several_lines burn")),
        {
            "key": burn(T100, at("main several_lines burn")),
        },
    ]


def finally_runs():
    try:
        burn(T100, at("main finally_runs burn"))
        raise ValueError(
            burn(T100, at("main finally_runs burn")))
    except ValueError:
        burn(T100, at("main finally_runs burn"))
    finally:
        burn(T100, at("main finally_runs burn"))
    for i in range(2):
        try:
            if i:
                continue
            burn(T100, at("main finally_runs burn"))
        finally:
            burn(T100, at("main finally_runs burn"))


class Manager(object):
    def __enter__(self):
        burn(T100, at("main managed __enter__ burn"))

    def __exit__(self, *error):
        burn(T100, at("main managed __exit__ burn"))


def managed():
    with Manager():
        burn(T100, at("main managed burn"))
        if burn(T100, at("main managed burn")) and \
                burn(T100, at("main managed burn")):
            return burn(
                T100,
                at("main managed burn"))


def branches(n):
    while n:
        if n % 2:
            burn(T100, at("main branches burn"))
        elif n % 3:
            burn(T200, at("main branches burn"))
        else:
            burn(T300, at("main branches burn"))
        n -= 1
    assert burn(T100, at("main branches burn")), \
        "never"



































































































































































def far_away():
    """Its first line is more than 127 lines behind the one before it."""
    burn(T100, at("main far_away burn"))


















































































































































    burn(T100, at("main far_away burn"))


def main():
    loop()
    several_lines()
    finally_runs()
    managed()
    branches(6)
    far_away()


truth.run(main)
