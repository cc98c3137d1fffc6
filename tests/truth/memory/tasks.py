"""Coroutines that take turns: what another one allocates is not the await's. Python 3.7 and newer."""
import asyncio

from telling import sized, tell, warm

BLOCK = 4 << 20
A = sized(BLOCK)
LOOP = 64 << 10  # what asyncio itself takes


async def step(held, i):
    held[i] = bytearray(BLOCK)  #: 3; 3 * A; slack=LOOP
    await asyncio.sleep(0)  #: 3; 0; slack=LOOP
    held[i + 3] = bytearray(2 * BLOCK)  #: 3; 3 * sized(2 * BLOCK); slack=LOOP
    return i  #: 3; 0


async def produce(held):
    for i in range(2):
        held[i] = bytearray(BLOCK)  #: 2; 2 * A; slack=LOOP
        yield i  #: 2; 0; slack=LOOP


async def consume():
    held = [None] * 2
    mine = [None] * 2
    async for i in produce(held):  #: 3; 2 * A; own=0; slack=LOOP
        mine[i] = bytearray(2 * BLOCK)  #: 2; 2 * sized(2 * BLOCK)
        last = i  # that the loop ends is the last line's to Python 3.9
    return mine, last


async def inner(held):
    held[0] = bytearray(BLOCK)  #: 1; A
    await asyncio.sleep(0)  #: 1; 0; slack=LOOP


async def outer():
    held = [None]
    await inner(held)  #: 1; A; own=0; slack=LOOP
    held[0] = None  #: 1; -A


async def run():
    await asyncio.gather(*(step([None] * 6, i) for i in range(3)))
    await consume()
    await outer()


def work():
    asyncio.run(run())


if __name__ == "__main__":
    warm(__file__, "work")
    work()
    tell(__file__, globals())
