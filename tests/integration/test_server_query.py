"""Questions about known profiles have known answers; wrong questions are told what is wrong."""

import gzip
import time

import otlp
import pytest

NOW = None  # when the profiles were sent: long after this file was imported


@pytest.fixture(scope="module")
def asked(glim, tmp_path_factory):
    """A server with two hosts of one service; the client is signed in."""
    from conftest import Server

    global NOW
    NOW = int(time.time()) // 10 * 10
    server = Server(glim, tmp_path_factory.mktemp("query") / "data")
    client = server.client()
    client.sign_up()
    key = client.make_key()
    for body in (
        otlp.profiles({"main@app.py:10;handle@app.py:20": 6, "main@app.py:11": 2}, at=NOW - 60),
        otlp.profiles({"main@app.py:10;handle@app.py:21": 3}, host="web-2", pid=7, at=NOW - 50),
        otlp.profiles({"start;<b>&\"loop": 1}, process="db", pid=8, at=NOW - 40),
    ):
        otlp.profiles_answer(otlp.send(client, key, body))
    memory = otlp.gauge({NOW - 60: 1e9, NOW - 50: 3e9})
    assert otlp.send(client, key, memory, path="/v1/metrics").status_code == 200
    memory = otlp.gauge({NOW - 60: 5e9}, host="web-2")
    assert otlp.send(client, key, memory, path="/v1/metrics").status_code == 200
    yield client
    assert server.stop() == 0


def ask(client, path, expect=200, **params):
    params.setdefault("service", "shop")
    r = client.get(f"/api/v1/{path}", params={k: v for k, v in params.items() if v is not None})
    assert r.status_code == expect, r.text
    return r.json()


def tree(answer):
    """{path of names: (self, total)}"""
    names = [answer["strings"][i] for i in answer["frames"]["name"]]
    nodes, path, result = answer["nodes"], [], {}
    for depth, frame, self, total in zip(nodes["depth"], nodes["frame"], nodes["self"], nodes["total"]):
        path[depth:] = ["(root)" if frame == -1 else "(rest)" if frame == -2 else names[frame]]
        result["/".join(path[1:])] = (self, total)
    return result


def test_tree(asked):
    answer = ask(asked, "flamegraph")
    P = otlp.PERIOD
    assert tree(answer) == {
        "": (0, 12 * P),
        "app": (0, 11 * P),
        "app/main": (2 * P, 11 * P),
        "app/main/handle": (9 * P, 9 * P),
        "db": (0, P),
        "db/start": (0, P),
        'db/start/<b>&"loop': (P, P),
    }
    assert answer["unit"] == "nanoseconds" and answer["type"] == "cpu" and answer["service"] == "shop"
    assert (answer["total"], answer["samples"], answer["period"]) == (12 * P, 12, P)
    assert answer["truncated_stacks"] == 0
    assert answer["seconds"] == 30
    assert answer["until"] - answer["from"] == pytest.approx(3600)
    at = {answer["strings"][n]: i for i, n in enumerate(answer["frames"]["name"])}
    main, app = at["main"], at["app"]
    assert answer["strings"][answer["frames"]["file"][main]] == "app.py"
    assert answer["frames"]["kind"][main] == 3 and answer["frames"]["kind"][app] == 5
    assert answer["nodes"]["line"][answer["nodes"]["frame"].index(main)] == 10
    assert answer["strings"][0] == ""


def test_narrow_nodes_are_summed(asked):
    assert tree(ask(asked, "flamegraph", width=1))["(rest)"][1] == otlp.PERIOD
    assert "db" in tree(ask(asked, "flamegraph", width=100))


@pytest.mark.parametrize(
    "filters, total",
    [
        (["host=web-1"], 9),
        (["host!=web-1"], 3),
        (["host=~web-.*"], 12),
        (["host=~web"], 0),
        (["host!~.*-2"], 9),
        (["host=web-1", "process=app"], 8),
        (["pid=8"], 1),
        (["nothing=x"], 0),
    ],
)
def test_filters(asked, filters, total):
    assert ask(asked, "flamegraph", filter=filters)["total"] == total * otlp.PERIOD


def test_ranges(asked):
    def total(a, b):
        return ask(asked, "flamegraph", **{"from": a, "until": b})["total"] // otlp.PERIOD

    assert total(NOW - 60, NOW - 50) == 8
    assert total(NOW - 50, NOW) == 4
    assert total(NOW - 3600, NOW - 1800) == 0
    assert total("now-1d", "now") == 12


def test_no_data_is_the_root_alone(asked):
    answer = ask(asked, "flamegraph", type="wall")
    assert tree(answer) == {"": (0, 0)} and answer["total"] == 0


def test_folded_and_pprof(asked):
    url = "/api/v1/flamegraph?service=shop&format="
    folded = asked.get(url + "folded")
    assert folded.headers["Content-Type"].startswith("text/plain")
    assert "app;main (app.py:10);handle (app.py:20) 6" in folded.text.splitlines()
    pprof = asked.get(url + "pprof")
    assert "attachment" in pprof.headers["Content-Disposition"]
    assert b"handle" in gzip.decompress(pprof.content)


def test_labels(asked):
    assert ask(asked, "labels")["labels"] == ["host", "pid", "process", "thread"]
    values = ask(asked, "labels/host/values")
    assert values == {
        "values": [
            {"value": "web-1", "weight": 9 * otlp.PERIOD},
            {"value": "web-2", "weight": 3 * otlp.PERIOD},
        ],
        "truncated": False,
    }
    values = ask(asked, "labels/process/values", filter="host=web-2")
    assert [v["value"] for v in values["values"]] == ["app"]
    assert ask(asked, "labels/nothing%2Fhere/values")["values"] == []


def test_series(asked):
    answer = ask(asked, "series", metric="memory", step=10, **{"from": NOW - 60, "until": NOW - 30})
    assert answer["times"] == [NOW - 60, NOW - 50, NOW - 40]
    (one,) = answer["series"]
    assert one["labels"] == {}
    assert one["values"][0] == 6e9
    answer = ask(asked, "series", metric="memory", by="host", step=10, **{"from": NOW - 60, "until": NOW - 50})
    assert [(s["labels"], s["values"]) for s in answer["series"]] == [
        ({"host": "web-2"}, [5e9]),
        ({"host": "web-1"}, [1e9]),
    ]


def test_steps(asked):
    for range_, step in (("now-15m", 10), ("now-1h", 10), ("now-1d", 300), ("now-7d", 1800), ("now-30d", 7200)):
        answer = ask(asked, "series", metric="cpu", **{"from": range_})
        assert answer["step"] == step
        assert len(answer["times"]) <= 401
    assert ask(asked, "series", step=3)["step"] == 10
    ask(asked, "series", step=10, expect=400, **{"from": "now-30d"})


def test_services_tell_of_the_last_minutes(asked):
    (service,) = ask(asked, "services")["services"]
    assert service["name"] == "shop" and service["first_host"] == "web-1"
    assert service["hosts"] == 2 and service["processes"] == 3
    assert service["top"] == "handle"
    assert service["cores"] == pytest.approx(12 * 0.05 / 30)
    assert service["memory"] > 1e9
    assert len(service["spark"]) == 30
    assert NOW - 60 <= service["first_seen"] <= service["last_seen"] <= time.time() + 1


QUERIES = ["flamegraph", "series", "labels", "labels/host/values"]


@pytest.mark.parametrize("path", QUERIES)
def test_wrong_questions(asked, path):
    for params, word in (
        ({"service": ""}, "service"),
        ({"type": "x" * 16}, "type"),
        ({"type": 'x"\r\nSet-Cookie: a=b'}, "type"),
        ({"from": "yesterday"}, "from"),
        ({"until": "now+1h"}, "until"),
        ({"from": "now", "until": "now-1h"}, "before"),
        ({"from": "-5"}, "from"),
        ({"from": "99999999999999999999"}, "from"),
        ({"filter": "host"}, "filter"),
        ({"filter": "=x"}, "filter"),
        ({"filter": "host=~("}, ""),
        ({"filter": "host=~" + "a" * 300}, "256"),
    ):
        answer = ask(asked, path, expect=400, **params)
        assert word in answer["error"]["message"], answer
    assert ask(asked, path, expect=404, service="nothing-here")["error"]["code"] == "not_found"


def test_wrong_numbers(asked):
    for bad in ("0", "-1", "x", "1.5", "100001", "9" * 30):
        assert "width" in ask(asked, "flamegraph", expect=400, width=bad)["error"]["message"]
    for bad in ("-1", "x", "9" * 30):
        assert "step" in ask(asked, "series", expect=400, step=bad)["error"]["message"]
    assert "metric" in ask(asked, "series", expect=400, metric="mood")["error"]["message"]
    assert "format" in ask(asked, "flamegraph", expect=400, format="svg")["error"]["message"]


def test_large_answers_are_compressed(asked):
    r = asked.get("/api/v1/series?service=shop&from=now-1h", headers={"Accept-Encoding": "gzip"})
    assert r.headers["Content-Encoding"] == "gzip" and r.json()["times"]
    r = asked.get("/api/v1/series?service=shop&from=now-1h", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in r.headers and r.json()["times"]
