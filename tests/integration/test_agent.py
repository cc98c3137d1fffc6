"""glim agent against a real HTTP server that decodes what comes with the official definitions."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from collector import METRICS, PROFILES, Collector

KEY = "glim_TopSecretKeyOfThisTest"
# CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYSLOG, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE
KEPT = 1 << 2 | 1 << 19 | 1 << 34 | 1 << 38 | 1 << 39 | 1 << 40


@pytest.fixture
def collect():
    """collect(**options): a Collector that is stopped at the end."""
    started = []

    def start(**kwargs):
        started.append(Collector(**kwargs))
        return started[-1]

    yield start
    for c in started:
        c.stop()


@pytest.fixture
def agent(glim, run, tmp_path):
    """agent(url, *options): a running agent of this test alone, its state in agent.state."""
    count = 0

    def start(url, *options, env=None, service=None):
        nonlocal count
        count += 1
        state = tmp_path / f"agent{count}.json"
        process = run(
            [glim, "agent", "--server", url, "--service", service or "shop", "--host",
             f"host-{count}", "--state", state, *options],
            env={"GLIM_KEY": KEY, **(env or {})},
        )
        process.state = state
        return process

    return start


def busy_shell(run):
    """Something to sample."""
    return run(["/bin/sh", "-c", "while :; do :; done"])


def status_field(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split()[1]
    raise AssertionError(name)


def contiguous(windows):
    """Windows follow each other without a hole, whatever it costs to take one."""
    windows = sorted(windows)
    return all(abs(b[0] - a[1]) < 1_000_000 for a, b in zip(windows, windows[1:]))


def test_first_window_and_the_end(agent, collect, run, tmp_path):
    server = collect()
    shell = busy_shell(run)
    a = agent(server.url, "--pid-file", tmp_path / "pid")
    server.wait(lambda: server.of(METRICS) and server.of(PROFILES))
    start, end, _ = server.of(PROFILES)[0].windows()[0]
    # Two seconds, and three that names may take; somebody waits for this one. Others last ten.
    assert end - start < 8_000_000_000

    assert KEY not in Path(f"/proc/{a.pid}/cmdline").read_text()
    assert KEY.encode() not in Path(f"/proc/{a.pid}/environ").read_bytes()
    assert int((tmp_path / "pid").read_text()) == a.pid
    assert int(status_field(a.pid, "CapEff"), 16) & ~KEPT == 0
    assert int(status_field(a.pid, "CapPrm"), 16) & ~KEPT == 0
    assert int(status_field(a.pid, "CapBnd"), 16) & ~KEPT == 0
    assert status_field(a.pid, "NoNewPrivs") == "1"

    for r in server.of(PROFILES) + server.of(METRICS):
        assert r.headers["Authorization"] == f"Bearer {KEY}"
        assert r.headers["Content-Type"] == "application/x-protobuf"
        assert r.headers["Content-Encoding"] == "zstd"
        assert r.resource()["service.name"] == "shop"
        assert r.resource()["host.name"] == "host-1"
        assert r.resource()["host.id"] == Path("/etc/machine-id").read_text().strip()
    profile = server.of(PROFILES)[0].message()
    assert b"sh" in [s.encode() for s in profile.dictionary.string_table]
    points = server.of(METRICS)[0].points()
    assert points["system.cpu.logical.count"][0][1] == os.cpu_count()
    cpu = points["system.cpu.time"][0][1]
    assert 0 < points["system.memory.usage"][0][1] < points["system.memory.limit"][0][1]
    # The host's in ticks, to which one is missing now and then.
    assert 0 < {p[0].get("process.pid"): p[1] for p in points["process.cpu.time"]}[shell.pid] < cpu + 0.1
    assert len(points["process.memory.usage"]) > 3
    assert sum(p[1] for p in points["glim.samples"]) > 10

    a.send(signal.SIGHUP)
    a.send(signal.SIGTERM)
    assert a.wait() == 0
    windows = [w for r in server.of(PROFILES) for w in r.windows()]
    assert len(windows) >= 2 and contiguous(windows)
    assert len({w[2] for w in windows}) == len(windows)
    assert not (tmp_path / "pid").exists()
    assert not a.state.exists()
    assert KEY not in a.output


def test_the_same_bytes_are_sent_until_the_server_takes_them(agent, collect):
    answers = [503, 429, 500]
    server = collect(reply=lambda r: answers.pop() if answers else 200)
    a = agent(server.url)
    server.wait(lambda: server.of(METRICS, 200))
    bodies = [r.body for r in server.requests]
    assert [r.status for r in server.requests[:5]] == [500, 429, 503, 200, 200]
    assert len(set(bodies[:4])) == 1, "the same bytes again, before anything else"
    assert len(set(bodies)) == len(bodies) - 3
    assert a.stop() == 0


def test_no_window_is_lost_while_the_server_is_away(agent, collect, free_port):
    server = collect(port=free_port)
    server.stop()
    a = agent(server.url)
    a.wait_line("cannot connect")
    server.start()
    server.wait(lambda: server.of(PROFILES))
    a.wait_line("works again")
    server.stop()  # cuts the connection that was kept
    server.start()
    before = len(server.of(PROFILES))
    server.wait(lambda: len(server.of(PROFILES)) > before)
    assert a.stop() == 0
    windows = [w for r in server.of(PROFILES) for w in r.windows()]
    assert len(windows) >= 3
    assert windows == sorted(windows), "in order"
    assert contiguous(windows)
    assert len({w[2] for w in windows}) == len(windows)


def test_a_refused_key_is_final_and_said(glim, agent, collect):
    words = json.dumps({"error": {"code": "unauthorized", "message": f"key {KEY} is unknown"}})
    server = collect(reply=lambda r: (401, {"Content-Type": "application/json"}, words.encode()))
    a = agent(server.url)
    assert a.wait_line(r"status 401: key (\S+) is unknown").group(1) == "*" * len(KEY)
    server.wait(lambda: len(server.of(PROFILES)) >= 2)
    bodies = [r.body for r in server.requests]
    assert len(set(bodies)) == len(bodies), "never sent again"
    state = json.loads(a.state.read_text())
    assert state["upload"]["dropped_refused"] >= 2
    assert state["upload"]["last_ok"] is None
    doctor = subprocess.run(
        [glim, "doctor", "--json", "--state", a.state], capture_output=True, text=True
    )
    assert doctor.returncode == 1
    upload = [c for c in json.loads(doctor.stdout)["checks"] if c["name"] == "upload"]
    assert upload[0]["status"] == "fail" and "status 401" in upload[0]["detail"]
    assert upload[0]["cure"]
    assert a.stop() == 0
    assert KEY not in a.output


def test_a_full_queue_drops_the_oldest_and_says_so(agent, collect, run):
    up = []
    server = collect(reply=lambda r: 200 if up else 503)
    busy_shell(run)
    a = agent(server.url, "--queue", "16K")
    a.wait_line("the oldest data is dropped", timeout=180)  # a quiet machine has small windows
    up.append(True)

    def reported():
        return [
            p
            for r in server.of(METRICS, 200)
            for p in r.points().get("glim.lost", [])
            if "queue" in p[0]["reason"] and p[1] > 0
        ]

    server.wait(reported)
    assert a.stop() == 0


def test_frames_that_are_less_sure_are_counted(glim, agent, collect, run, tmp_path):
    # Its code without a table calls back into the program, by frame pointer.
    source = Path(__file__).resolve().parents[1] / "truth" / "programs" / "anonymous.c"
    subprocess.run(["gcc", "-O2", "-w", "-o", tmp_path / "anonymous", source], check=True)
    run([tmp_path / "anonymous"], env={"TRUTH_CPU_MS": "300000"})
    server = collect()
    a = agent(server.url)

    def counted():
        return [
            p
            for r in server.of(METRICS)
            for p in r.points().get("glim.remarks", [])
            if p[0]["remark"] == "frames found by frame pointer alone" and p[1] > 5
        ]

    server.wait(counted)
    doctor = subprocess.run(
        [glim, "doctor", "--json", "--state", a.state], capture_output=True, text=True
    )
    remarks = [c["detail"] for c in json.loads(doctor.stdout)["checks"] if c["name"] == "agent's remarks"]
    assert any(re.fullmatch(r"\d+: frames found by frame pointer alone", text) for text in remarks)
    assert a.stop() == 0
    r = subprocess.run(
        [glim, "record", "-a", "-d", "1", "-f", "folded", "-o", "-"], capture_output=True, text=True
    )
    said = re.search(r"\nglim record: of these, .*frames found by frame pointer alone: (\d+)", r.stderr)
    blind = sum(int(n) for n in re.findall(r";called_back;leaf (\d+)$", r.stdout, re.M))
    assert blind and int(said[1]) >= blind


def make_certificate(folder, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


def test_https(agent, collect, tmp_path):
    certificate = make_certificate(tmp_path, "localhost")
    server = collect(certificate=certificate)
    stranger = agent(server.url)
    stranger.wait_line("certificate is not trusted")
    assert not server.requests
    assert stranger.stop() == 0
    friend = agent(server.url, "--ca-file", certificate[0])
    server.wait(lambda: server.of(PROFILES) and server.of(METRICS))
    assert friend.stop() == 0


def test_https_for_another_name(agent, collect, tmp_path):
    certificate = make_certificate(tmp_path, "other.example")
    server = collect(certificate=certificate)
    a = agent(server.url, "--ca-file", certificate[0])
    a.wait_line("certificate is for another name")
    assert a.stop() == 0
    assert not server.requests


def test_two_agents_at_one_server(glim, agent, collect, run):
    server = collect()
    one = agent(server.url, service="one")
    two = agent(server.url, service="two")

    def both():
        return {r.resource()["service.name"] for r in server.of(PROFILES)} == {"one", "two"}

    server.wait(both)
    locks = [p for p in Path("/run/glim").glob("agent-*.lock") if p.read_text() == f"{one.pid}\n"]
    assert len(locks) == 1
    twin = run([glim, "agent", "--server", server.url, "--service", "one", "--host", "host-1"])
    assert twin.wait() == 1
    assert f"runs here already (process {one.pid})" in twin.output
    assert locks[0].exists(), "the twin left it alone"
    assert one.stop() == 0 and two.stop() == 0
    assert not locks[0].exists()


def test_settings_from_a_file_and_the_environment(glim, run, collect, tmp_path):
    server = collect()
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "conf").write_text(
        f"# the agent of this test\nserver = {server.url}\nservice=from-file\nhost =  from-file \n"
        f"key-file = {tmp_path / 'key'}\nfrequency = 50\n"
    )
    a = run(
        [glim, "agent", "--config", tmp_path / "conf", "-F", "33", "--state", tmp_path / "s"],
        env={"GLIM_SERVICE": "from-environment"},
    )
    server.wait(lambda: server.of(PROFILES))
    r = server.of(PROFILES)[0]
    assert r.resource()["service.name"] == "from-environment"
    assert r.resource()["host.name"] == "from-file"
    assert r.headers["Authorization"] == f"Bearer {KEY}"
    assert "at 33 Hz" in a.output
    assert a.stop() == 0


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "--server URL"),
        (["--server", "http://h"], "--service NAME"),
        (["--server", "http://h", "--service", "a b"], "service's name"),
        (["--server", "http://h", "--service", "a" * 65], "service's name"),
        (["--server", "http://h", "--service", "a", "-F", "0"], "1 to 1000"),
        (["--server", "http://h", "--service", "a", "-F", "20x"], "1 to 1000"),
        (["--server", "http://h", "--service", "a", "--queue", "1"], "--queue"),
        (["--server", "http://h", "--service", "a", "--host", "a\x1bb"], "host's name"),
        (["--server", "http://h", "--service", "a", "more"], '"more"'),
        (["--server"], "needs a value"),
        (["--key", "x"], "no option --key"),
        (["--config", "/nonexistent"], "/nonexistent"),
    ],
)
def test_wrong_usage(glim, options, words):
    r = subprocess.run([glim, "agent", *options], capture_output=True, text=True, timeout=120)
    assert r.returncode == 2
    assert words in r.stderr and "glim help agent" in r.stderr


@pytest.mark.parametrize(
    "url, words",
    [
        ("localhost:4040", "is no server"),
        ("ftp://h", "is no server"),
        ("http://user:pass@h", "password"),
        ("http://h/?key=1", '"?"'),
    ],
)
def test_wrong_address(glim, url, words):
    r = subprocess.run(
        [glim, "agent", "--server", url, "--service", "a"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 1
    assert words in r.stderr
    assert "user:pass" not in r.stderr


def test_without_privileges(glim):
    r = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
         "--bounding-set=-all", glim, "agent", "--server", "http://127.0.0.1:9", "--service", "a"],
        capture_output=True, text=True, timeout=120,
    )
    assert r.returncode == 1
    last = r.stderr.strip().splitlines()[-1]
    assert last.startswith("glim agent: ")
    assert "root" in last or "CAP_" in last
