"""Accounts, sessions, keys: who gets in, who does not, and what is said to them."""

import pytest
from conftest import PASSWORD, Client

ORIGIN_LESS = {"Origin": None}


def error(response, status, code):
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]
    return response.json()["error"]["message"]


def bearer(key):
    return {"Authorization": f"Bearer {key}", "Origin": None}


def test_first_account_is_the_owner_then_closed(server):
    ann, bob = server.client(), server.client()
    status = ann.get("/api/v1/status").json()
    assert status == {"version": status["version"], "signup": "first", "token_required": False}
    assert ann.sign_up("Ann@Example.com") == {"email": "ann@example.com", "role": "owner"}
    assert ann.get("/api/v1/me").json() == {"account": {"email": "ann@example.com", "role": "owner"}}
    assert bob.get("/api/v1/status").json()["signup"] == "closed"
    r = bob.post("/api/v1/accounts", json={"email": "b@example.com", "password": PASSWORD})
    error(r, 403, "forbidden")
    assert "glim_session" not in bob.cookies
    error(bob.get("/api/v1/me"), 401, "unauthorized")


def test_cookie(server):
    r = server.client().post(
        "/api/v1/accounts", json={"email": "a@b", "password": PASSWORD}
    )
    cookie = r.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"):
        assert part in cookie
    assert "Secure" not in cookie


def test_sign_in_and_out(server):
    ann = server.client()
    ann.sign_up()
    other = server.client()
    error(other.sign_in(password="wrong horse battery"), 401, "unauthorized")
    error(other.sign_in(email="nobody@example.com"), 401, "unauthorized")
    r = other.sign_in(email="ANN@example.com")
    assert r.status_code == 200
    assert r.json()["account"]["email"] == "ann@example.com"
    secret = other.cookies["glim_session"]
    assert secret != ann.cookies["glim_session"]
    assert other.delete("/api/v1/session").status_code == 204
    assert "glim_session" not in other.cookies
    other.cookies.set("glim_session", secret)
    error(other.get("/api/v1/me"), 401, "unauthorized")
    assert ann.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@b"},
        {"password": PASSWORD},
        {"email": "ab", "password": PASSWORD},
        {"email": "@b", "password": PASSWORD},
        {"email": "a@", "password": PASSWORD},
        {"email": "a@b@c", "password": PASSWORD},
        {"email": "a b@c", "password": PASSWORD},
        {"email": "a\n@c", "password": PASSWORD},
        {"email": "a" * 250 + "@b.cd", "password": PASSWORD},
        {"email": "a@b", "password": "short"},
        {"email": "a@b", "password": "x" * 1025},
        {"email": 1, "password": PASSWORD},
        {"email": ["a@b"], "password": {}},
        {"email": "a@b\0", "password": PASSWORD},
        [],
        "text",
    ],
)
def test_bad_accounts(server, body):
    error(server.client().post("/api/v1/accounts", json=body), 400, "bad_request")


def test_only_json_is_taken(server):
    ann = server.client()
    text = '{"email":"a@b","password":"correct horse battery"}'
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        r = ann.post("/api/v1/accounts", data=text, headers={"Content-Type": kind})
        error(r, 415, "unsupported")
    for bad in ("", "{", "{}x", '{"a":1,"a":2}', "[" * 5000, '{"email":"\xff'):
        r = ann.post(
            "/api/v1/accounts",
            data=bad.encode("latin-1"),
            headers={"Content-Type": "application/json"},
        )
        error(r, 400, "bad_request")
    r = ann.post("/api/v1/accounts", data=text, headers={"Content-Type": "application/json; charset=utf-8"})
    assert r.status_code == 201


def test_pages_of_other_sites_cannot_act(server):
    ann = server.client()
    evil = {"Origin": "http://evil.example"}
    body = {"email": "a@b", "password": PASSWORD}
    error(ann.post("/api/v1/accounts", json=body, headers=evil), 403, "forbidden")
    ann.sign_up()
    error(ann.post("/api/v1/keys", json={"name": "x", "scope": "read"}, headers=evil), 403, "forbidden")
    error(ann.post("/api/v1/keys", json={"name": "x", "scope": "read"}, headers=ORIGIN_LESS), 403, "forbidden")
    error(ann.post("/api/v1/services", json={"name": "x"}, headers={"Origin": "null"}), 403, "forbidden")
    error(ann.delete("/api/v1/session", headers=evil), 403, "forbidden")
    error(ann.delete("/api/v1/session", headers=ORIGIN_LESS), 403, "forbidden")
    assert ann.get("/api/v1/me", headers=evil).status_code == 200
    assert ann.get("/api/v1/keys").json() == {"keys": []}


def test_names_of_this_machine(server):
    """A name that another site points at the loopback address is refused."""
    ann = server.client()
    body = {"email": "a@b", "password": PASSWORD}
    for host in ("evil.example", f"evil.example:{server.port}", "localhost.evil.example", "127.0.0.1.evil.example",
                 "a'b", "a$(b)", "[::1", "localhost:x", "user@localhost"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        error(ann.post("/api/v1/accounts", json=body, headers=headers), 421, "wrong_host")
        error(ann.get("/", headers={"Host": host}), 421, "wrong_host")
    for host in ("localhost", f"LOCALHOST:{server.port}", "glim.localhost", "127.0.0.1", "[::1]:80", "10.1.2.3:4040"):
        assert ann.get("/api/v1/status", headers={"Host": host}).status_code == 200
    assert ann.get("/healthz", headers={"Host": "evil.example"}).status_code == 200


def test_public_url_is_a_name_too(start_server):
    server = start_server("--public-url", "https://glim.example.com/")
    ann = Client(server.url)
    assert ann.get("/api/v1/status", headers={"Host": "glim.example.com"}).status_code == 200
    error(ann.get("/api/v1/status", headers={"Host": "lim.example.com"}), 421, "wrong_host")
    # The world reaches us through a proxy: the first account needs the link.
    assert ann.get("/api/v1/status").json()["token_required"] is True
    link = server.wait_line(r"(https://glim\.example\.com/#token=(\S+))")
    headers = {"Host": "glim.example.com", "Origin": "https://glim.example.com"}
    body = {"email": "a@b", "password": PASSWORD, "token": link[2]}
    r = ann.post("/api/v1/accounts", json=body, headers=headers)
    assert r.status_code == 201 and r.headers["Set-Cookie"].endswith("; Secure")


def test_keys(client, server):
    r = client.post("/api/v1/keys", json={"name": "web \u00e4", "scope": "ingest"})
    assert r.status_code == 201
    made = r.json()
    assert made["key"].startswith("glim_") and len(made["key"]) == 37
    assert made["key"].startswith(made["prefix"]) and len(made["prefix"]) == 9
    assert made["name"] == "web \u00e4" and made["scope"] == "ingest" and made["last_used"] is None
    listed = client.get("/api/v1/keys").json()["keys"]
    assert listed == [{k: v for k, v in made.items() if k != "key"}]
    assert made["key"] not in client.get("/api/v1/keys").text
    assert client.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    assert client.get("/api/v1/keys").json() == {"keys": []}
    for gone in (made["id"], 99, "x", "-1", "9" * 30, "%31%00"):
        assert client.delete(f"/api/v1/keys/{gone}").status_code in (400, 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "scope": "root"},
        {"name": "", "scope": "read"},
        {"name": "x" * 65, "scope": "read"},
        {"name": "a\nb", "scope": "read"},
        {"name": 5, "scope": "read"},
    ],
)
def test_bad_keys(client, body):
    error(client.post("/api/v1/keys", json=body), 400, "bad_request")


INGEST = [("POST", "/v1development/profiles"), ("POST", "/v1/metrics")]
READ = [
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/services"),
    ("GET", "/api/v1/flamegraph?service=none"),
    ("GET", "/api/v1/series?service=none"),
    ("GET", "/api/v1/labels?service=none"),
    ("GET", "/api/v1/labels/host/values?service=none"),
]
ADMIN = [("GET", "/api/v1/keys"), ("POST", "/api/v1/keys"), ("DELETE", "/api/v1/keys/99"), ("POST", "/api/v1/services")]


def test_what_each_scope_may(client, server):
    keys = {scope: client.make_key(scope) for scope in ("ingest", "read", "admin")}
    nobody = server.client()
    for routes, allowed in ((INGEST, {"ingest", "admin"}), (READ, {"read", "admin"}), (ADMIN, {"admin"})):
        for method, path in routes:
            for scope, key in keys.items():
                r = nobody.request(method, path, headers=bearer(key))
                if scope in allowed:
                    assert r.status_code not in (401, 403), (method, path, scope, r.text)
                else:
                    error(r, 403, "forbidden")
            error(nobody.request(method, path), 401, "unauthorized")
            for bad in ("", "glim_", "x" * 37, "glim_" + "0" * 32, "glim_" + "0" * 4000):
                r = nobody.request(method, path, headers=bearer(bad))
                error(r, 401, "unauthorized")
                assert r.headers["WWW-Authenticate"] == "Bearer"
            error(nobody.request(method, path, headers={"Authorization": "Basic YTpi"}), 401, "unauthorized")
    # A session may read and administrate, but what ingests is a key.
    for method, path in INGEST:
        error(client.request(method, path), 401, "unauthorized")


def test_key_use_is_noted_and_revoking_ends_it(client, server):
    made = client.post("/api/v1/keys", json={"name": "r", "scope": "read"}).json()
    nobody = server.client()
    assert nobody.get("/api/v1/services", headers=bearer(made["key"])).status_code == 200
    used = client.get("/api/v1/keys").json()["keys"][0]["last_used"]
    assert used >= made["created"]
    client.delete(f"/api/v1/keys/{made['id']}")
    error(nobody.get("/api/v1/services", headers=bearer(made["key"])), 401, "unauthorized")


def test_services(client):
    assert client.get("/api/v1/services").json() == {"services": []}
    r = client.post("/api/v1/services", json={"name": "shop-api"})
    assert (r.status_code, r.json()) == (201, {"name": "shop-api"})
    error(client.post("/api/v1/services", json={"name": "shop-api"}), 409, "conflict")
    (service,) = client.get("/api/v1/services").json()["services"]
    assert service.pop("created") > 1.6e9
    assert service == {
        "name": "shop-api", "first_seen": None, "last_seen": None, "first_host": None, "cores": 0,
        "memory": 0, "hosts": 0, "processes": 0, "top": None, "spark": [None] * 30,
    }
    for bad in ("", "a b", "a/b", "\u00e4", "x" * 65, None, 7):
        error(client.post("/api/v1/services", json={"name": bad}), 400, "bad_request")
    assert client.post("/api/v1/services", json={"name": "x" * 64}).status_code == 201


def test_guessing_is_slowed_down(server):
    server.client().sign_up()
    person = server.client()
    for _ in range(10):
        error(person.sign_in(password="wrong horse battery"), 401, "unauthorized")
    r = person.sign_in(password="wrong horse battery")
    error(r, 429, "too_many")
    assert 1 <= int(r.headers["Retry-After"]) <= 31
    # The right password does not help either, and an account that nobody has looks the same.
    error(person.sign_in(), 429, "too_many")
    answers = [person.sign_in(email="nobody@example.com", password="x").status_code for _ in range(11)]
    assert answers[:7] == [401] * 7
    assert answers[-1] == 429


def test_good_sign_ins_are_not_counted(server):
    server.client().sign_up()
    assert [server.client().sign_in().status_code for _ in range(25)] == [200] * 25


def test_link_for_the_first_account(start_server):
    server = start_server(listen="0.0.0.0:0")
    token = server.wait_line(r"http://\S+/#token=(\S+)")[1]
    url = f"http://127.0.0.1:{server.port}"
    ann = Client(url)
    assert ann.get("/api/v1/status").json()["token_required"] is True
    body = {"email": "a@b", "password": PASSWORD}
    for bad in ({}, {"token": ""}, {"token": "x" * 43}, {"token": 1}, {"token": token[:-1]}):
        error(ann.post("/api/v1/accounts", json={**body, **bad}), 403, "forbidden")
    assert ann.sign_up(token=token)["role"] == "owner"
    assert ann.get("/api/v1/status").json()["token_required"] is False
    r = Client(url).post("/api/v1/accounts", json={"email": "b@c", "password": PASSWORD, "token": token})
    error(r, 403, "forbidden")
    server.stop()
    again = start_server(like=server)
    assert ann.get("/api/v1/me").status_code == 200
    again.stop()
    assert "token=" not in again.output


def test_link_of_an_earlier_start_still_works(start_server):
    server = start_server(listen="0.0.0.0:0")
    first = server.wait_line(r"/#token=(\S+)")[1]
    server.stop()
    again = start_server(like=server)
    assert again.wait_line(r"/#token=(\S+)")[1] != first
    Client(f"http://127.0.0.1:{again.port}").sign_up(token=first)


def test_open_signup_gives_everybody_a_tenant(start_server):
    server = start_server("--signup", "open")
    ann, bob = server.client(), server.client()
    assert ann.sign_up()["role"] == "owner"
    assert ann.get("/api/v1/status").json()["signup"] == "open"
    assert bob.sign_up("bob@example.com")["role"] == "member"
    again = {"email": "bob@example.com", "password": PASSWORD}
    error(server.client().post("/api/v1/accounts", json=again), 409, "conflict")
    ann.make_key(name="of ann")
    ann.post("/api/v1/services", json={"name": "of-ann"})
    assert bob.get("/api/v1/keys").json() == {"keys": []}
    assert bob.get("/api/v1/services").json() == {"services": []}
    number = ann.get("/api/v1/keys").json()["keys"][0]["id"]
    error(bob.delete(f"/api/v1/keys/{number}"), 404, "not_found")
    assert bob.post("/api/v1/services", json={"name": "of-ann"}).status_code == 201


def test_open_signup_beyond_loopback_still_needs_the_link_once(start_server):
    server = start_server("--signup", "open", listen="0.0.0.0:0")
    token = server.wait_line(r"/#token=(\S+)")[1]
    ann = Client(f"http://127.0.0.1:{server.port}")
    body = {"email": "b@c", "password": PASSWORD}
    error(ann.post("/api/v1/accounts", json=body), 403, "forbidden")
    ann.sign_up(token=token)
    assert Client(ann.base).sign_up("bob@example.com")["role"] == "member"


def test_one_of_many_at_once_becomes_the_owner(server):
    from concurrent.futures import ThreadPoolExecutor

    def attempt(i):
        body = {"email": f"p{i}@example.com", "password": PASSWORD}
        return server.client().post("/api/v1/accounts", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(attempt, range(8)))
    assert answers == [201] + [403] * 7
