"""docs/openapi.yaml says what the server does: the same routes, answers of its shapes, and errors for
whatever is thrown at any of them."""

import os
import re
import socket
from pathlib import Path

import otlp
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

ROOT = Path(__file__).resolve().parents[2]
SPEC = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
OPERATIONS = [
    (path, method.upper(), operation)
    for path, item in SPEC["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
]
IDS = [f"{method} {path}" for path, method, _ in OPERATIONS]


def test_the_document_is_valid():
    validate(SPEC)


def test_it_lists_the_routes_of_the_server():
    text = (ROOT / "src" / "server" / "routes.c").read_text()
    routes = re.findall(r'\{HTTP_(\w+), "([^"]+)",', text)
    assert sorted((path, method) for method, path in routes if path != "*") == sorted(
        (path, method) for path, method, _ in OPERATIONS
    )


def resolve(node):
    while "$ref" in node:
        target = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check(operation, response):
    """The answer has a status and a shape that the document gives this operation."""
    answers = operation["responses"]
    answer = resolve(answers.get(str(response.status_code), answers["default"]))
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/json"
    if response.headers.get("Content-Type") == "application/json":
        schema = {**answer["content"]["application/json"]["schema"], "components": SPEC["components"]}
        Draft202012Validator(schema).validate(response.json())
    elif response.content:
        assert response.headers["Content-Type"].split(";")[0] in answer["content"]


@pytest.fixture(scope="module")
def known(glim, tmp_path_factory):
    from conftest import Server

    server = Server(glim, tmp_path_factory.mktemp("openapi") / "data")
    client = server.client()
    client.sign_up()
    client.server, client.key = server, client.make_key("admin")
    otlp.profiles_answer(otlp.send(client, client.key, otlp.profiles({"main;f": 1})))
    yield client
    assert server.popen.poll() is None
    assert server.stop() == 0


def call(client, path, method, **kwargs):
    path = path.replace("{id}", "999").replace("{name}", "host")
    headers = {"Authorization": f"Bearer {client.key}", **kwargs.pop("headers", {})}
    return client.request(method, path, headers=headers, **kwargs)


GOOD = {
    "addAccount": {"json": {"email": "bob@example.com", "password": "correct horse battery"}},
    "signIn": {"json": {"email": "ann@example.com", "password": "correct horse battery"}},
    "addKey": {"json": {"name": "x", "scope": "read"}},
    "addService": {"json": {"name": "made-here"}},
    "ingestProfiles": {"data": otlp.profiles({"main": 1}), "headers": {"Content-Type": "application/x-protobuf"}},
    "ingestMetrics": {"data": otlp.gauge({1.7e9: 1}), "headers": {"Content-Type": "application/x-protobuf"}},
    **{name: {"params": {"service": "shop"}} for name in ("getFlameGraph", "getSeries", "listLabels", "listLabelValues")},
}


@pytest.mark.parametrize("path, method, operation", OPERATIONS, ids=IDS)
def test_good_requests(known, path, method, operation):
    if operation["operationId"] == "signOut":  # not the session that the other tests use
        check(operation, known.server.client().delete(path))
        return
    response = call(known, path, method, **GOOD.get(operation["operationId"], {}))
    check(operation, response)
    refused = {"addAccount": 403, "removeKey": 404}
    assert response.status_code == refused.get(operation["operationId"], response.status_code)
    if operation["operationId"] not in refused:
        assert response.ok, response.text


BAD_BODIES = {
    "empty": b"",
    "random": os.urandom(1000),
    "truncated json": b'{"email":"a@b","passw',
    "wrong json": b'{"email":{},"password":[],"name":1,"scope":null}',
    "deep json": b'{"a":' + b"[" * 8000,
    "nul": b'{"name":"a\\u0000b"}',
    "truncated otlp": otlp.profiles({"main": 1})[:-7],
    "oversized": b"x" * 20_000_000,
}
KINDS = ["application/json", "application/x-protobuf", "text/plain"]


@pytest.mark.parametrize("path, method, operation", OPERATIONS, ids=IDS)
def test_bad_bodies(known, path, method, operation):
    for name, body in BAD_BODIES.items():
        for kind in KINDS:
            try:
                response = call(known, path, method, data=body, headers={"Content-Type": kind})
            except OSError:
                # A client that does not listen while it sends may miss the refusal.
                assert name == "oversized"
                continue
            assert response.status_code < 500 or response.status_code == 503, (name, response.text)
            check(operation, response)
            if "requestBody" in operation and name != "empty":
                assert response.status_code >= 400, (name, response.text)
    assert known.get("/healthz").status_code == 200


@pytest.mark.parametrize("path, method, operation", OPERATIONS, ids=IDS)
def test_bad_queries(known, path, method, operation):
    if operation["operationId"] in ("signOut", "signIn", "addAccount"):
        return
    for query in ("?", "?&&&", "?service", "?service=%ff%fe", "?service=" + "x" * 9000, "?service=shop&type=%0a",
                  "?service=shop&from=1e308", "?service=shop&filter=" + "~" * 500, "?" + "a=b&" * 63,
                  "?service=shop&filter=a=~" + "(" * 200, "?service=shop&filter=a=~(a*)*b&filter=c=~[[:foo:]]"):
        response = call(known, path + query, method)
        assert response.status_code < 500, response.text
        check(operation, response)


@pytest.mark.parametrize("path, method, operation", OPERATIONS, ids=IDS)
def test_truncated_requests(known, path, method, operation):
    """Whatever was cut off, the server goes on."""
    path = path.replace("{id}", "999").replace("{name}", "host")
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {known.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"a\":"
    ).encode()
    for end in range(1, len(request), 17):
        with socket.create_connection(("127.0.0.1", known.server.port)) as sock:
            sock.sendall(request[:end])
    assert known.get("/healthz").status_code == 200
