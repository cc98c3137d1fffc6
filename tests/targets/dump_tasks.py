"""Tasks that await each other in every way, for glim dump: the comments MARK tell which line is which."""
import asyncio
import sys
import threading


async def pause(forever):
    await forever  # MARK pause


async def worker(forever):
    text = "in a task"
    await pause(forever)  # MARK worker
    return text


async def numbers(forever):
    yield 1
    await pause(forever)  # MARK numbers
    yield 2


async def reads_numbers(forever):
    async for _ in numbers(forever):  # MARK reads_numbers
        pass


async def gathers(forever):
    await asyncio.gather(named(worker(forever), "gathered-1"), named(worker(forever), "gathered-2"))  # MARK gathers


async def waits(forever):
    await asyncio.wait({named(worker(forever), "waited")})  # MARK waits


async def shields(forever):
    await asyncio.shield(named(worker(forever), "shielded"))  # MARK shields


async def timed(forever):
    await asyncio.wait_for(named(worker(forever), "timed-inner"), 3600)  # MARK timed


async def direct(forever):
    await named(worker(forever), "directed")  # MARK direct


async def groups(forever):
    async with asyncio.TaskGroup() as group:
        group.create_task(worker(forever), name="grouped-1")
        group.create_task(worker(forever), name="grouped-2")


async def circle(others):
    await others[0]


async def never_started(forever):
    await forever


def named(coroutine, name):
    return asyncio.get_running_loop().create_task(coroutine, name=name)


def block(forever):
    named(never_started(forever), "not started")
    print("ready", flush=True)
    threading.Event().wait()  # MARK block


async def blocks(forever):
    block(forever)  # MARK blocks


async def main():
    forever = asyncio.get_running_loop().create_future()
    tasks = [named(f(forever), f.__name__) for f in (gathers, waits, shields, timed, direct, reads_numbers)]
    if sys.version_info >= (3, 11):
        tasks.append(named(groups(forever), "groups"))
    first, second = [], []
    first.append(named(circle(second), "circle-1"))
    second.append(named(circle(first), "circle-2"))
    for _ in range(10):
        await asyncio.sleep(0)
    tasks.append(named(blocks(forever), "blocks"))
    await asyncio.gather(*tasks)  # MARK main


if len(sys.argv) > 1:  # tasks of Python's own
    asyncio.tasks.Task = asyncio.Task = asyncio.tasks._PyTask
    asyncio.tasks._enter_task, asyncio.tasks._leave_task = asyncio.tasks._py_enter_task, asyncio.tasks._py_leave_task
    asyncio.tasks.current_task = getattr(asyncio.tasks, "_py_current_task", asyncio.tasks.current_task)
if "python" in sys.argv:  # in a table of its own
    asyncio.tasks._register_task = asyncio.tasks._py_register_task
asyncio.run(main())
