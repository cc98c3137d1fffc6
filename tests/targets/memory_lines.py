"""Lines that add amounts known by heart. A line with a number behind "#:" adds so many KiB by itself, and after a comma it
runs so often; test_mem.py reads both."""
import threading

KIB = 1024
kept = []
block = bytearray


def boom():
    kept.append(block(2048 * KIB))  #: 2048, 1
    raise ValueError(1)  #: 0, 1


def caught():
    try:
        boom()  #: 0, 1
    except ValueError:
        kept.append(block(1024 * KIB))  #: 1024, 1


def loop():
    for i in range(4):  #: 0, 5
        kept.append(block(1024 * KIB))  #: 4096, 4
        temporary = block(8192 * KIB)  #: 32768, 4
        del temporary  #: -32768, 4


def recursive(n):
    kept.append(block(1024 * KIB))  #: 4096, 4
    if n:  #: 0, 4
        recursive(n - 1)  #: 0, 3


def generator():
    for i in range(3):
        kept.append(block(1024 * KIB))  #: 3072, 3
        yield i  #: 0, 3


def consumer():
    for i in generator():  #: 0, 4
        kept.append(block(2048 * KIB))  #: 6144, 3


def comprehension():
    kept.append([block(1024 * KIB) for i in range(3)])  #: 3072, 1


def in_thread():
    kept.append(block(3072 * KIB))  #: 3072, 1


def main():
    caught()  #: 0, 1
    loop()  #: 0, 1
    recursive(3)  #: 0, 1
    consumer()  #: 0, 1
    comprehension()  #: 0, 1
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()


main()
