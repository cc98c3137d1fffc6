"""The agent and the server, both real: every window arrives, whatever happens to the server."""

import re
import signal

import pytest

ENDS = re.compile(r"agent ends: (\d+) samples, (\d+) requests sent, (\d+) dropped")


@pytest.fixture
def start_agent(glim, run, tmp_path):
    def start(url, key, service, host):
        return run(
            [glim, "agent", "--server", url, "--service", service, "--host", host,
             "--state", tmp_path / f"{service}-{host}.json"],
            env={"GLIM_KEY": key},
        )

    return start


@pytest.fixture
def busy(run):
    return run(["/bin/sh", "-c", "while :; do :; done"])


def flamegraph(client, service, **more):
    r = client.get(
        "/api/v1/flamegraph",
        params={"service": service, "type": "cpu", "from": "now-1h", "until": "now", **more},
    )
    assert r.status_code == 200, r.text
    return r.json()


def series(client, service, metric, **more):
    r = client.get(
        "/api/v1/series",
        params={"service": service, "metric": metric, "from": "now-10m", "until": "now",
                "step": 10, **more},
    )
    assert r.status_code == 200, r.text
    return r.json()["series"]


def end(agent):
    """Samples that the agent took, all of which it sent."""
    assert agent.stop() == 0
    samples, requests, dropped = map(int, ENDS.search(agent.output).groups())
    assert dropped == 0 and requests > 0, agent.output
    return samples


def test_every_sample_arrives(client, server, start_agent, busy):
    agent = start_agent(server.url, client.make_key(), "shop", "web-1")
    agent.wait_line("has taken the first data")
    assert flamegraph(client, "shop")["samples"] > 0
    taken = end(agent)
    answer = flamegraph(client, "shop")
    assert answer["samples"] == taken
    assert any(s in answer["strings"] for s in ("sh", "dash"))
    names = {s["labels"].get("process") for s in series(client, "shop", "process.cpu", by="process")}
    assert names & {"sh", "dash"}
    values = [v for s in series(client, "shop", "cpu") for v in s["values"] if v is not None]
    assert values and max(values) > 0.5
    services = client.get("/api/v1/services").json()["services"]
    assert [(s["name"], s["hosts"]) for s in services if s["name"] == "shop"] == [("shop", 1)]


def test_two_agents_at_one_server(client, server, start_agent, busy):
    key = client.make_key()
    one = start_agent(server.url, key, "shop", "web-1")
    two = start_agent(server.url, key, "shop", "web-2")
    for agent in (one, two):
        agent.wait_line("has taken the first data")
    taken = {"web-1": end(one), "web-2": end(two)}
    for host, samples in taken.items():
        assert flamegraph(client, "shop", filter=f"host={host}")["samples"] == samples
    assert flamegraph(client, "shop")["samples"] == sum(taken.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_window_is_lost_when_the_server_restarts(start_server, start_agent, busy, number):
    server = start_server()
    client = server.client()
    client.sign_up()
    agent = start_agent(server.url, client.make_key(), "shop", "web-1")
    agent.wait_line("has taken the first data")
    server.stop(number)
    agent.wait_line("it is tried again")
    again = start_server(like=server)
    agent.wait_line("works again", timeout=120)
    taken = end(agent)
    assert flamegraph(client, "shop")["samples"] == taken
    assert again.popen.poll() is None


def test_a_revoked_key_is_refused_with_the_servers_words(client, server, start_agent, busy):
    key = client.make_key()
    number = client.get("/api/v1/keys").json()["keys"][0]["id"]
    assert client.delete(f"/api/v1/keys/{number}").status_code == 204
    agent = start_agent(server.url, key, "shop", "web-1")
    agent.wait_line(r"status 401: \w+")
    assert agent.stop() == 0
    assert key not in agent.output
