"""asyncio.gather over coroutines that await others. 3.6 and later."""
import asyncio

import truth
from truth import clock, spend

T300, T200, T100 = truth.turns(300), truth.turns(200), truth.turns(100)


async def leaf(us, place):
    start = clock()
    for _ in next(us):
        pass
    spend((place, clock() - start))
    await asyncio.sleep(0)


async def fetch(n):
    for _ in range(n):
        await leaf(T300, "<module> ... main ... fetch leaf")


async def parse(n):
    for _ in range(n):
        await leaf(T200, "<module> ... main ... parse leaf")
        plain()


def plain():
    start = clock()
    for _ in next(T100):
        pass
    spend(("<module> ... main ... parse plain", clock() - start))


# Who awaits the tasks ran none of them; some show it, some do not. So it is of another file, as the event loop is.
GATHERS = """
async def everything():
    await gather(fetch(10), parse(10), fetch(5))
"""
NAMES = {"gather": asyncio.gather, "fetch": fetch, "parse": parse}
exec(compile(GATHERS, "gathers.py", "exec"), NAMES)
everything = NAMES["everything"]


LOOP = asyncio.new_event_loop()


def main():
    LOOP.run_until_complete(everything())


for coroutine in fetch, parse:
    truth.creates("main", coroutine)
    truth.creates(coroutine.__name__, leaf)
truth.run(main)
