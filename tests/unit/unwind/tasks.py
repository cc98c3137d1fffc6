"""Tasks in every place where asyncio keeps them; tells of each what it is called, who awaits it, and whether it runs.

Then waits for a line.
"""
import asyncio
import os
import sys
import threading

kept, inside = [], threading.Barrier(4)  # steps that do not end: of three threads


def tell(name, awaiter="", running=""):
    print("task", name, awaiter or "-", running or "-", flush=True)


async def forever():
    await asyncio.get_running_loop().create_future()


async def awaits(task):
    await task


async def main(thread):
    """Two tasks that wait, one for the other, while the loop's own runs, or is over."""
    loop = asyncio.get_running_loop()
    kept.append(loop.create_task(forever(), name="inner-" + thread))
    kept.append(loop.create_task(awaits(kept[-1]), name="outer-" + thread))
    asyncio.current_task().set_name("main-" + thread)
    for _ in range(3):
        await asyncio.sleep(0)
    if thread != "ended":
        stop()


def stop():
    inside.wait()
    threading.Event().wait()


def run(thread):
    loop = asyncio.new_event_loop()
    kept.append(loop)
    loop.run_until_complete(main(thread))


async def eager():
    """Its first step runs within that of the one that makes it."""
    asyncio.current_task().set_name("eager")
    stop()


async def makes_eager():
    loop = asyncio.get_running_loop()
    asyncio.current_task().set_name("makes-eager")
    if hasattr(asyncio, "eager_task_factory"):
        asyncio.Task(eager(), loop=loop, eager_start=True)
    else:
        stop()


if sys.version_info < (3, 8):
    sys.exit()  # its tasks are not known
ended = threading.Thread(target=run, args=("ended",))
ended.start()
ended.join()
for thread in "first", "second":
    threading.Thread(target=run, args=(thread,), daemon=True).start()
threading.Thread(target=asyncio.run, args=(makes_eager(),), daemon=True).start()
inside.wait()
for thread in "ended", "first", "second":
    tell("inner-" + thread, "outer-" + thread)
    tell("outer-" + thread)
    if thread != "ended":
        tell("main-" + thread, running="runs")
if hasattr(asyncio, "eager_task_factory"):
    tell("eager", running="runs")
    tell("makes-eager")
else:
    tell("makes-eager", running="runs")
print("ready", flush=True)
sys.stdin.readline()
os._exit(0)
