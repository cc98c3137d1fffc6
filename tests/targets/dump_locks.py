"""Three threads that wait for each other's locks in a circle, one that waits for the first of them, and
one that waits for a lock whose holder nobody keeps."""
import threading


def take(mine, then):
    with mine:
        meet.wait()
        with then:  # MARK with
            pass


def take_call(lock):
    met.wait()
    lock.acquire()  # MARK acquire


locks = [threading.RLock() for _ in range(3)]
meet, met = threading.Barrier(3, action=lambda: met.set()), threading.Event()
plain = threading.Lock()
plain.acquire()
for i in range(3):
    threading.Thread(target=take, args=(locks[i], locks[(i + 1) % 3]), name="circle-%d" % i, daemon=True).start()
threading.Thread(target=take_call, args=(locks[0],), name="outside", daemon=True).start()
threading.Thread(target=take_call, args=(plain,), name="plain", daemon=True).start()
met.wait()
print("ready", flush=True)
threading.Event().wait()
