"""Tasks whose steps are short, and whose code says by which number who awaits them.

A step calls spin_N while parent_N awaits its task, which grand_N awaits; and loose_N while nobody does. Tasks, loops and
threads are made all the time, so that their memory and numbers are used again at once.
"""
import asyncio
import random
import sys
import threading
import time
from pathlib import Path

NUMBERS = range(8)
LONGEST = (0.0002, 0.003)  # seconds
SOURCE = """
def spin_{n}(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass

def loose_{n}(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass

async def parent_{n}():
    task = asyncio.get_running_loop().create_task(work({n}))
    await asyncio.sleep(0)
    await task

async def grand_{n}():
    if {n} % 2 and hasattr(asyncio, "TaskGroup"):
        async with asyncio.TaskGroup() as group:
            group.create_task(parent_{n}())
    else:
        await asyncio.gather(parent_{n}())
"""
for n in NUMBERS:
    exec(compile(SOURCE.format(n=n), __file__, "exec"))


async def work(n):
    spin, loose = globals()[f"spin_{n}"], globals()[f"loose_{n}"]
    if random.randrange(3):
        loose(random.choice(LONGEST) * random.random())
    for _ in range(1 + random.randrange(3)):
        await asyncio.sleep(0)
        spin(random.choice(LONGEST) * random.random())


async def main():
    for _ in range(4):
        await asyncio.gather(*(globals()[f"grand_{n}"]() for n in random.choices(NUMBERS, k=random.randrange(1, 4))))


if len(sys.argv) > 1:
    Path("/proc/self/comm").write_text(sys.argv[1])
print("ready", flush=True)
while True:
    asyncio.run(main())
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
