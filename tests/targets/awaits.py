"""Tasks that use the CPU in a coroutine that others await in every way."""
import asyncio
import sys
import time
from pathlib import Path


def spin():
    end = time.perf_counter() + 0.02
    while time.perf_counter() < end:
        pass


async def work():
    while True:
        spin()
        await asyncio.sleep(0)


async def by_await():
    await work()


async def by_task():
    await asyncio.get_running_loop().create_task(by_await())


async def by_gather():
    await asyncio.gather(by_task())


async def by_wait():
    await asyncio.wait({asyncio.get_running_loop().create_task(by_gather())})


async def main():
    await asyncio.wait_for(asyncio.shield(by_wait()), 3600)


if len(sys.argv) > 1:
    Path("/proc/self/comm").write_text(sys.argv[1])
print("ready", flush=True)
asyncio.run(main())
