"""Spends its time in one system call that is made by a known line. Says "ready"."""

import os


def read_zeroes(fd):
    while True:
        os.pread(fd, 1 << 20, 0)  # line: read


print("ready", flush=True)
read_zeroes(os.open("/dev/zero", os.O_RDONLY))
