"""The agent finds its server by name, through a real name server of this test's own."""

import signal
import socket
import struct
import threading

import pytest

from collector import PROFILES, Collector

A, AAAA = 1, 28  # RFC 1035, RFC 3596


class NameServer:
    """Answers with self.addresses[name] = [(type, address)]; NXDOMAIN for what it does not know."""

    def __init__(self, address):
        self.addresses, self.asked = {}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(512)
            if not query:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack_from(">H", query, at + 1)[0]
        self.asked.append((name, kind))
        known = self.addresses.get(name)
        records = [a for k, a in known or [] if k == kind]
        flags = 0x8180 | (0 if known else 3)
        out = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + query[12 : at + 5]
        for a in records:
            packed = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, a)
            out += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(packed)) + packed
        return out

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits
        except OSError:
            pass  # not connected, it says, and wakes it all the same
        self.thread.join()
        self.socket.close()


@pytest.fixture
def names():
    server = NameServer("127.0.0.77")
    yield server
    server.close()


@pytest.fixture
def start_agent(glim, run, tmp_path):
    """An agent in a mount namespace where /etc/resolv.conf names our name server."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\n")

    def start(url):
        return run(
            ["unshare", "--mount", "sh", "-c",
             'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh",
             tmp_path / "resolv.conf", glim, "agent", "--server", url, "--service", "shop",
             "--host", "names", "--state", tmp_path / "state"],
            env={"GLIM_KEY": "glim_secret"},
        )

    return start


def test_every_address_of_a_name_is_tried(names, start_agent):
    collector = Collector()
    # Nobody listens on the first two.
    names.addresses["glim.test"] = [(A, "127.0.0.78"), (AAAA, "::1"), (A, "127.0.0.1")]
    agent = start_agent(f"http://glim.test:{collector.port}")
    collector.wait(lambda: collector.of(PROFILES))
    assert collector.of(PROFILES)[0].headers["Host"] == f"glim.test:{collector.port}"
    assert {k for n, k in names.asked if n == "glim.test"} == {A, AAAA}
    assert "cannot connect" not in agent.output
    assert agent.stop() == 0
    collector.stop()


def test_a_name_is_asked_for_again(names, start_agent):
    collector = Collector()
    agent = start_agent(f"http://glim.test:{collector.port}")
    agent.wait_line('the name "glim.test" is not known')
    names.addresses["glim.test"] = [(A, "127.0.0.1")]
    collector.wait(lambda: collector.of(PROFILES))
    agent.send(signal.SIGTERM)
    assert agent.wait() == 0
    collector.stop()
