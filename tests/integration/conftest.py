"""Shared by all integration tests: the program, servers of it, and people who use them.

The program is env GLIM, or build/glim of this tree. Nothing here sleeps: a server is ready when it
has printed its address, and gone when its process has ended. A time-out is there to end what hangs: it is
longer than a machine that is full can make anything last.
"""

import os
import queue
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"listens on (https?://\S+:\d+/)")
PASSWORD = "correct horse battery"

# Where the tests run in the background of a shell, SIGINT is ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A child whose output is kept; wait_line waits for a line without polling."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(a) for a in argv]
        self.lines = []
        self._new = queue.Queue()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GLIM_")}
        self.popen = subprocess.Popen(
            self.argv,
            env={**clean, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            self.lines.append(line.rstrip("\n"))
            self._new.put(line.rstrip("\n"))
        self._new.put(None)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def output(self):
        return "\n".join(self.lines)

    def wait_line(self, pattern, timeout=120):
        """The match of the first line not yet looked at that pattern is found in."""
        while True:
            line = self._new.get(timeout=timeout)
            if line is None:
                raise AssertionError(f"{self.argv[0]} ended before {pattern!r}:\n{self.output}")
            found = re.search(pattern, line)
            if found:
                return found

    def send(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=120):
        status = self.popen.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number=signal.SIGTERM, timeout=120):
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.wait(timeout)


class Client(requests.Session):
    """A person at the page: a cookie jar, the page's own Origin, JSON in and out."""

    def __init__(self, url):
        super().__init__()
        self.base = url.rstrip("/")
        self.headers["Origin"] = self.base

    def request(self, method, path, *args, **kwargs):
        kwargs.setdefault("timeout", 60)
        url = path if "://" in str(path) else self.base + path
        return super().request(method, url, *args, **kwargs)

    def sign_up(self, email="ann@example.com", password=PASSWORD, **more):
        r = self.post("/api/v1/accounts", json={"email": email, "password": password, **more})
        assert r.status_code == 201, r.text
        return r.json()["account"]

    def sign_in(self, email="ann@example.com", password=PASSWORD):
        return self.post("/api/v1/session", json={"email": email, "password": password})

    def make_key(self, scope="ingest", name="test"):
        r = self.post("/api/v1/keys", json={"name": name, "scope": scope})
        assert r.status_code == 201, r.text
        return r.json()["key"]


class Server(Process):
    """`glim server` on a port of the kernel's choice, with its data in a folder of its own."""

    def __init__(self, glim, data, *options, listen="127.0.0.1:0", env=None):
        self.glim, self.data, self.options, self.env = glim, Path(data), options, env
        self.listen_host = listen.rsplit(":", 1)[0]
        super().__init__(
            [glim, "server", "--listen", listen, "--data", data, *options], env=env
        )
        try:
            self.url = self.wait_line(READY)[1].rstrip("/")
        except BaseException:
            self.popen.kill()
            raise
        self.host, port = self.url.split("://")[1].rsplit(":", 1)
        self.port = int(port)

    def client(self):
        return Client(self.url)

    def again(self, *options):
        """The same server once more, at the same place; this one must have ended."""
        listen = f"{self.listen_host}:{self.port}"
        return Server(self.glim, self.data, *(options or self.options), listen=listen, env=self.env)


@pytest.fixture(scope="session")
def glim():
    path = Path(os.environ.get("GLIM", ROOT / "build" / "glim")).resolve()
    assert os.access(path, os.X_OK), f"{path} is missing: build it first"
    return path


@pytest.fixture
def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def run(request):
    """run(argv, env=None): start a Process that is stopped when the test ends."""
    started = []

    def start(argv, **kwargs):
        started.append(Process(argv, **kwargs))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.wait()


@pytest.fixture
def start_server(glim, tmp_path):
    """start_server(*options, data=None, listen=..., env=None): a Server stopped at the end."""
    started = []

    def start(*options, data=None, like=None, **kwargs):
        server = like.again(*options) if like else Server(
            glim, data or tmp_path / "data", *options, **kwargs
        )
        started.append(server)
        return server

    yield start
    for server in started:
        if server.popen.poll() is None:
            server.popen.kill()
        server.wait()


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def client(server):
    """Signed in as the owner of a fresh server."""
    person = server.client()
    person.sign_up()
    return person
