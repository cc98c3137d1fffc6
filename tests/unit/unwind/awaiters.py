"""Stops within steps of tasks, until a line comes in, and tells how many coroutines of other tasks await each, innermost first."""
import asyncio
import sys


class Loop(asyncio.SelectorEventLoop):
    """Does not tell which thread it runs in, as that of uvloop."""

    _thread_id = property(lambda self: self.hidden, lambda self, value: setattr(self, "hidden", value))


def stop(*awaiters):
    sys.stdout.write(" ".join(awaiters) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def inner():
    stop()
    await asyncio.sleep(0)
    stop("middle", "by_task", "main")
    stop("middle", "by_task", "main")


async def middle():
    task = asyncio.get_event_loop().create_task(inner())
    await asyncio.sleep(0)
    await task


async def by_task():
    await middle()


async def deep(n):
    if n:
        await asyncio.get_event_loop().create_task(deep(n - 1))
    else:
        stop(*["deep"] * 64)


async def main():
    await asyncio.gather(by_task())
    await deep(70)
    stop()


def run():
    loop = Loop()
    loop.run_until_complete(main())
    loop.close()


class Holder:
    """As large as a task of Python's own, before it in memory, with a coroutine in its field."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine):
        self.coroutine = coroutine


run()
tasks = asyncio.tasks
if hasattr(tasks, "_py_enter_task"):
    tasks.Task = asyncio.Task = tasks._PyTask
    tasks._enter_task, tasks._leave_task = tasks._py_enter_task, tasks._py_leave_task
    never = middle()
    holders = [Holder(never) for _ in range(20000)]
    del holders[::7]
    run()
    never.close()
stop("over")
