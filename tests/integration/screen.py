"""A terminal for a program: a pseudo terminal, and pyte to see what a person would see."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

LEAVE = b"\x1b[?1049l"


def written_to_terminal(argv, columns=80, stream="stdout", env=None):
    """(exit status, bytes) of a program that has a terminal as this stream alone."""
    primary, secondary = os.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: secondary}
    p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, env=env, **streams)
    os.close(secondary)
    seen = b""
    try:
        while some := os.read(primary, 65536):
            seen += some
    except OSError:  # the other end is closed
        pass
    os.close(primary)
    return p.wait(60), seen


class Screen:
    """A program on a terminal of its own, as its session leader. Nothing here sleeps: wait() returns
    when what is shown is what was asked for, or fails."""

    def __init__(self, argv, columns=80, rows=24, env=None):
        self.master, self.slave = os.openpty()
        self.raw = self.held = b""
        self.emulator = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.emulator)
        self._set_size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GLIM_", "LC_", "NO_"))}
        self.popen = subprocess.Popen(
            [str(a) for a in argv],
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env={**clean, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})},
            preexec_fn=self._lead,
        )

    @staticmethod
    def _lead():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _set_size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.emulator.resize(rows, columns)
        self._set_size(columns, rows)

    def press(self, keys):
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def read(self, timeout):
        """Take in what was written; false when nothing came."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        data = self.held + data
        # Half a sequence waits for its other half.
        self.held = re.search(rb"(?:\x1b(?:\[[0-9;?]*)?)?$", data)[0]
        data = data[: len(data) - len(self.held)]
        # pyte has one screen: who leaves the other one goes on at a place of which nobody knows.
        data = data.replace(LEAVE, b"\x1b[2J\x1b[H")
        # It knows neither of these: others take or ignore them.
        self.stream.feed(re.sub(rb"\x18|\x1b\[\?(?:2026|1049)[hl]", b"", data))
        return True

    @property
    def lines(self):
        return [line.rstrip() for line in self.emulator.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, condition, timeout=120):
        """Until condition(self) is true or, for text, shown; returns what it returned."""
        until = time.monotonic() + timeout
        while True:
            found = condition in self.text if isinstance(condition, str) else condition(self)
            if found:
                return found
            left = until - time.monotonic()
            assert left > 0, f"never seen: {condition}\n{self.text}"
            self.read(min(left, 1))

    def wait_taken(self, timeout=120):
        """Until the program has read all that was pressed."""
        until = time.monotonic() + timeout
        while struct.unpack("i", fcntl.ioctl(self.slave, termios.FIONREAD, b"\0" * 4))[0]:
            assert time.monotonic() < until, "it does not read its keys"
            select.select([], [], [], 0.01)

    def wait_end(self, timeout=120):
        """The exit status, when all that it wrote was read."""
        until = time.monotonic() + timeout
        while self.popen.poll() is None:
            assert time.monotonic() < until, f"it does not end\n{self.text}"
            self.read(0.05)
        while self.read(0):
            pass
        return self.popen.returncode

    @property
    def restored(self):
        """The other screen was left, and the settings are what they were."""
        return self.raw.rstrip().endswith(LEAVE) and termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()
        os.close(self.master)
        os.close(self.slave)
