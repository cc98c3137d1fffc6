"""Code objects that live for some milliseconds: compiled, called, dropped."""
import truth
from truth import clock, spend

T2000 = truth.turns(2000)
SOURCE = """
def short_lived(place):
    start = clock()
    for _ in next(T2000):
        pass
    spend((place, clock() - start))
"""


def main():
    namespace = {"clock": clock, "spend": spend, "T2000": T2000}
    exec(compile(SOURCE, "<dying>", "exec"), namespace)
    namespace["short_lived"]("<module> ... main short_lived")


truth.run(main, "<dying>")
