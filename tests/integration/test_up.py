"""./dev up as a stranger uses it: the first account finds this machine's flame graph."""

import os
import subprocess
import time

import pytest
from conftest import ROOT, Client


def dev(command, env):
    return subprocess.run(
        [ROOT / "dev", command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )


@pytest.fixture
def up(tmp_path, free_port):
    """(environment, url) of a server and an agent that ./dev up started."""
    env = {**os.environ, "GLIM_PORT": str(free_port), "GLIM_DATA": str(tmp_path / "data")}
    started = dev("up", env)
    try:
        assert started.returncode == 0, started.stdout
        url = f"http://127.0.0.1:{free_port}"
        assert url in started.stdout and "./dev down" in started.stdout
        yield env, url
    finally:
        stopped = dev("down", env)
        assert stopped.returncode == 0, stopped.stdout


def services(client):
    return client.get("/api/v1/services").json()["services"]


def wait_for_data(client, seconds=120):
    """The services, once one has received a window."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(s["last_seen"] for s in services(client)):
            return services(client)
        time.sleep(0.2)
    raise AssertionError(f"no window within {seconds} s: {services(client)}")


def flame_graph(client, service):
    answer = client.get(
        "/api/v1/flamegraph", params={"service": service, "from": "now-1h", "until": "now"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_first_account_finds_this_machine(up):
    env, url = up
    owner = Client(url)
    assert owner.get("/api/v1/status").json()["signup"] == "first"
    owner.sign_up()
    [service] = wait_for_data(owner)
    assert service["name"] == os.uname().nodename and service["hosts"] == 1
    graph = flame_graph(owner, service["name"])
    assert graph["samples"] > 0 and len(graph["nodes"]["depth"]) > 1
    assert [k["name"] for k in owner.get("/api/v1/keys").json()["keys"]] == ["this machine"]
    key_file = os.path.join(env["GLIM_DATA"], "dev", "agent.key")
    assert os.stat(key_file).st_mode & 0o777 == 0o600


def test_up_again_restarts_and_keeps_everything(up):
    env, url = up
    owner = Client(url)
    owner.sign_up()
    wait_for_data(owner)
    again = dev("up", env)
    assert again.returncode == 0, again.stdout
    [service] = services(owner)
    seen = service["last_seen"]
    deadline = time.monotonic() + 120
    while services(owner)[0]["last_seen"] <= seen:
        assert time.monotonic() < deadline, "the agent does not send after a restart"
        time.sleep(0.2)
    assert len(owner.get("/api/v1/keys").json()["keys"]) == 1, "one key, not one a start"
