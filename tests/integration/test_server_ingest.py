"""What senders may send, what they are told, and that 200 means stored."""

import gzip
import os
import signal
import threading
import time
import uuid

import otlp
import pytest
import zstandard


@pytest.fixture
def key(client):
    return client.make_key("ingest")


def folded(client, service="shop", **params):
    r = client.get(
        "/api/v1/flamegraph", params={"service": service, "format": "folded", "from": "now-6h", **params}
    )
    assert r.status_code == 200, r.text
    return dict((line.rsplit(" ", 1)[0], int(line.rsplit(" ", 1)[1])) for line in r.text.splitlines())


def error(response, status):
    assert response.status_code == status, (response.status_code, response.text)
    assert response.json()["error"]["message"]
    return response.json()["error"]["message"]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_a_window_is_there_after_200(client, key, encoding):
    body = otlp.profiles({"main@app.py:10;handle@app.py:20": 7, "main@app.py:11": 3})
    answer = otlp.profiles_answer(otlp.send(client, key, body, encoding=encoding))
    assert not answer.HasField("partial_success")
    assert folded(client) == {
        "app;main (app.py:10);handle (app.py:20)": 7,
        "app;main (app.py:11)": 3,
    }


def test_a_window_sent_twice_counts_once(client, key):
    body = otlp.profiles({"main": 4})
    for _ in range(3):
        otlp.profiles_answer(otlp.send(client, key, body))
    assert folded(client) == {"app;main": 4}


def test_no_name_and_odd_names(client, key):
    for name in (None, "", "sh op/\u00e4:1", "x" * 100):
        otlp.profiles_answer(otlp.send(client, key, otlp.profiles({"main": 1}, service=name)))
    names = sorted(s["name"] for s in client.get("/api/v1/services").json()["services"])
    assert names == ["sh_op____1", "unknown_service", "x" * 64]


def test_metrics(client, key):
    now = int(time.time()) // 10 * 10
    body = otlp.gauge({now - 20: 1e9, now - 10: 2e9})
    for encoding in ("identity", "gzip", "zstd"):
        r = otlp.send(client, key, body, path="/v1/metrics", encoding=encoding)
        assert r.status_code == 200, r.text
    r = client.get("/api/v1/series", params={"service": "shop", "metric": "memory", "from": now - 30, "until": now + 10})
    series = r.json()
    assert series["unit"] == "bytes" and series["step"] == 10
    values = dict(zip(series["times"], series["series"][0]["values"]))
    assert [v for v in values.values() if v is not None] == [1e9, 2e9]


def test_what_is_rejected_in_part(client, key):
    from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2

    request = profiles_service_pb2.ExportProfilesServiceRequest.FromString(otlp.profiles({"main": 1}))
    odd = request.resource_profiles[0].scope_profiles[0].profiles.add()
    odd.CopyFrom(request.resource_profiles[0].scope_profiles[0].profiles[0])
    request.dictionary.string_table.append("bananas")
    odd.sample_type.type_strindex = len(request.dictionary.string_table) - 1
    odd.period_type.type_strindex = len(request.dictionary.string_table) - 1
    odd.profile_id = os.urandom(16)
    answer = otlp.profiles_answer(otlp.send(client, key, request.SerializeToString()))
    assert answer.partial_success.rejected_profiles == 1
    assert answer.partial_success.error_message
    assert folded(client) == {"app;main": 1}


@pytest.mark.parametrize("path", ["/v1development/profiles", "/v1/metrics"])
def test_bad_bodies(client, key, path, server):
    body = otlp.profiles({"main": 1})
    for kind in ("application/json", "text/plain", "", "application/x-protobuffer"):
        error(otlp.send(client, key, body, path=path, **{"Content-Type": kind}), 415)
    error(otlp.send(client, key, body, path=path, **{"Content-Encoding": "br"}), 415)
    for encoding in ("gzip", "zstd"):
        packed = otlp.encode(body, encoding)
        for bad in (b"", b"x", body, packed[:-5], packed[:10], packed + b"junk", os.urandom(500)):
            error(otlp.send(client, key, bad, path=path, **{"Content-Encoding": encoding}), 400)
    for bad in (b"x", os.urandom(1000), b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0a" * 1000):
        error(otlp.send(client, key, bad, path=path), 400)
    assert client.get("/api/v1/services").json() == {"services": []}
    assert server.popen.poll() is None


def test_truncated_anywhere(client, key, server):
    """Every truncation is refused or is a shorter request that makes sense; none breaks anything."""
    body = otlp.profiles({"main@a.py:1;f@a.py:2": 1, "main@a.py:1;g@a.py:3": 2})
    answers = {otlp.send(client, key, body[:n]).status_code for n in range(0, len(body), 3)}
    assert answers <= {200, 400}
    assert 400 in answers
    otlp.profiles_answer(otlp.send(client, key, b""))
    assert server.popen.poll() is None


def test_too_large(start_server):
    server = start_server("--max-body", "64K")
    client = server.client()
    client.sign_up()
    key = client.make_key()
    assert "65536" in error(otlp.send(client, key, b"x" * 65537), 413)
    bomb = b"\0" * 10_000_000
    error(otlp.send(client, key, gzip.compress(bomb), **{"Content-Encoding": "gzip"}), 413)
    error(otlp.send(client, key, zstandard.compress(bomb), **{"Content-Encoding": "zstd"}), 413)
    metrics = client.get("/metrics").text
    assert 'glim_ingest_rejected_total{reason="too_large"} 3' in metrics


def test_counters(client, key):
    otlp.profiles_answer(otlp.send(client, key, otlp.profiles({"main": 1})))
    otlp.send(client, key, b"x")
    text = client.get("/metrics").text
    assert "glim_ingest_windows_total 1" in text
    assert 'glim_ingest_rejected_total{reason="malformed"} 1' in text
    assert 'route="/v1development/profiles",status="200"} 1' in text
    assert 'route="/v1development/profiles",status="400"} 1' in text


def test_restart_keeps_everything(start_server):
    server = start_server()
    client = server.client()
    client.sign_up()
    key = client.make_key()
    otlp.profiles_answer(otlp.send(client, key, otlp.profiles({"main": 5})))
    assert server.stop() == 0
    start_server(like=server)
    assert client.get("/api/v1/me").status_code == 200
    assert folded(client) == {"app;main": 5}
    otlp.profiles_answer(otlp.send(client, key, otlp.profiles({"main": 2})))
    assert folded(client) == {"app;main": 7}


def test_kill_under_load_loses_no_answered_window(start_server):
    """Four senders, kill -9 in the middle, three times over: every window that was answered with
    200 is there afterwards, and no window is there in part."""
    server = start_server()
    client = server.client()
    client.sign_up()
    key = client.make_key()
    answered, lock = [], threading.Lock()
    for _ in range(3):
        enough = threading.Event()

        def sender(target=server):
            person = target.client()
            while True:
                name = "w" + uuid.uuid4().hex
                body = otlp.profiles({name + ";a": 1, name + ";b": 2}, window=os.urandom(16))
                try:
                    r = otlp.send(person, key, body, encoding="zstd")
                except OSError:
                    return
                if r.status_code == 200:
                    with lock:
                        answered.append(name)
                        enough.set() if len(answered) % 40 == 0 else None

        threads = [threading.Thread(target=sender) for _ in range(4)]
        for t in threads:
            t.start()
        assert enough.wait(60)
        server.send(signal.SIGKILL)
        server.wait()
        for t in threads:
            t.join()
        server = start_server(like=server)
        client = server.client()
        assert client.sign_in().status_code == 200
    stored = folded(client)
    for name in answered:
        assert stored.get(f"app;{name};a") == 1 and stored.get(f"app;{name};b") == 2, name
    names = [k.split(";")[1] for k in stored]
    assert sorted(names) == sorted(2 * sorted(set(names)))  # whole windows only


def test_local_agent_key(start_server, tmp_path):
    """The machine's own agent may send before there is an account, into what the owner then sees."""
    path = tmp_path / "agent.key"
    server = start_server("--local-agent-key", path)
    key = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    otlp.profiles_answer(otlp.send(server.client(), key, otlp.profiles({"main": 5})))
    client = server.client()
    client.sign_up()
    assert folded(client) == {"app;main": 5}
    (listed,) = client.get("/api/v1/keys").json()["keys"]
    assert (listed["name"], listed["scope"]) == ("this machine", "ingest")
    server.stop()
    again = start_server(like=server)
    assert path.read_text().strip() == key
    client.delete(f"/api/v1/keys/{listed['id']}")
    again.stop()
    start_server(like=again)
    fresh = path.read_text().strip()
    assert fresh != key
    otlp.profiles_answer(otlp.send(client, fresh, otlp.profiles({"main": 1})))
