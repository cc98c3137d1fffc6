"""Greenlets of gevent that wait for each other, for glim dump: the comments MARK tell which line is which."""
import gevent
import gevent.event
import gevent.queue


def waits(event):
    event.wait()  # MARK waits


def sleeps():
    gevent.sleep(3600)  # MARK sleeps


def reads(queue):
    queue.get()  # MARK reads


def joins(others):
    gevent.joinall(others)  # MARK joins


class Job(gevent.Greenlet):
    def _run(self):
        gevent.sleep(3600)  # MARK job


def named(name, g):
    g.name = name
    return g


def main():
    event, queue = gevent.event.Event(), gevent.queue.Queue()
    all = [named("waits", gevent.spawn(waits, event)), named("sleeps", gevent.spawn(sleeps)),
           named("reads", gevent.spawn(reads, queue)), named("job", Job.spawn()), gevent.spawn(sleeps)]
    all.append(named("joins", gevent.spawn(joins, list(all))))
    named("later", gevent.spawn_later(3600, sleeps))
    ended = gevent.spawn(len, "ended")
    gevent.sleep(0.01)
    assert ended.dead
    print("ready", flush=True)
    gevent.joinall(all)  # MARK main


main()  # MARK module
