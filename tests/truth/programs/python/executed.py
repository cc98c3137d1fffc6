"""Code that was compiled while the program ran: exec, eval, a module without a file."""
import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)

MADE = """
def made(place):
    start = clock()
    for _ in next(T300):
        pass
    spend((place, clock() - start))
"""
SCRIPT = compile("made('<module> ... main scripted <module> made')\n\n\nmade('<module> ... main scripted <module> made')\n",
                 "<script>", "exec")
NAMESPACE = {"clock": clock, "spend": spend, "T300": T300}
exec(compile(MADE, "<made>", "exec"), NAMESPACE)
FUNCTION = eval("lambda place: leaf(T200, place)", {"leaf": lambda us, place: leaf(us, place), "T200": T200})


def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))


def calls_made():
    NAMESPACE["made"]("<module> ... main calls_made made")


def scripted():
    exec(SCRIPT, NAMESPACE)


def evaluated():
    FUNCTION("<module> ... main evaluated ... <lambda> leaf")


def main():
    calls_made()
    scripted()
    evaluated()


truth.run(main, "<made>", "<script>")
