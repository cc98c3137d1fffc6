"""glim doctor: says what works, and how to mend what does not."""

import json
import os
import subprocess
import sys

import pytest

from collector import METRICS, Collector
from screen import written_to_terminal


def doctor(glim, *options, env=None, prefix=()):
    r = subprocess.run(
        [*prefix, glim, "doctor", "--json", *map(str, options)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})},
    )
    return r.returncode, json.loads(r.stdout)


def finding(report, name):
    found = [c for c in report["checks"] if c["name"] == name]
    assert found, f"no finding {name}: {[c['name'] for c in report['checks']]}"
    return found[0]


def test_this_host_works(glim):
    status, report = doctor(glim)
    assert status == 0, report
    assert report["ok"] is True
    assert finding(report, "samples")["status"] == "ok"
    assert report["samples"] > 0
    assert sum(report["outcomes"].values()) > 0
    assert finding(report, "kernel names")["status"] == "ok"
    assert finding(report, "unwind tables")["status"] == "ok"
    tables = report["unwind_tables"]
    assert tables["files"] > 0 and tables["bytes"] > 0 and tables["evicted"] == 0, tables
    assert finding(report, "drains")["status"] == "ok"
    assert set(report["remarks"]) >= {"frames found by frame pointer alone"}
    assert "programs and libraries in use" in finding(report, "native names")["detail"]
    for check in report["checks"]:
        assert check["status"] in ("ok", "warn")
        assert check["detail"]
        if check["status"] == "warn" and check["name"] != "stacks":
            assert check["cure"]


def test_it_finds_python(glim, run):
    run([sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]).wait_line(
        "here"
    )
    _, report = doctor(glim)
    version = f"{sys.version_info[0]}.{sys.version_info[1]} in "
    assert any(c["name"] == "Python" and version in c["detail"] for c in report["checks"])


def test_text_for_people(glim):
    plain = subprocess.run([glim, "doctor"], capture_output=True, text=True, timeout=120)
    assert plain.returncode == 0
    assert "\x1b" not in plain.stdout
    assert "Glim works here" in plain.stdout
    status, seen = written_to_terminal([glim, "doctor"])
    assert status == 0 and b"\x1b[32m" in seen


def test_in_a_container(glim):
    """In a pid namespace of its own it samples what is in there; that could be more, and works."""
    status, report = doctor(
        glim, prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    )
    assert status == 0 and report["ok"] is True, report
    namespace = finding(report, "pid namespace")
    assert namespace["status"] == "warn" and "--pid=host" in namespace["cure"]
    assert finding(report, "samples")["status"] == "ok" and report["samples"] > 0


def test_without_privileges(glim):
    status, report = doctor(
        glim,
        prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
                "--bounding-set=-all"],
    )
    assert status == 1 and report["ok"] is False
    failed = [c for c in report["checks"] if c["status"] == "fail"]
    assert any("root" in c["cure"] or "CAP_" in c["cure"] for c in failed)
    assert finding(report, "kernel names")["status"] == "warn"


def test_a_running_agent(glim, run, tmp_path):
    server = Collector()
    agent = run(
        [glim, "agent", "--server", server.url, "--service", "shop", "--host", "doctor",
         "--state", tmp_path / "state"],
        env={"GLIM_KEY": "glim_secret"},
    )
    # The state is written at each window, after what went before it: the second tells of the first.
    server.wait(lambda: len(server.of(METRICS)) >= 2)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o644
    status, report = doctor(glim, "--state", tmp_path / "state")
    assert status == 0, report
    a = finding(report, "agent")
    assert a["status"] == "ok"
    assert f"process {agent.pid}" in a["detail"] and '"shop"' in a["detail"]
    assert server.url in a["detail"]
    assert finding(report, "upload")["status"] == "ok"
    assert "glim_secret" not in json.dumps(report) + (tmp_path / "state").read_text()
    assert agent.stop() == 0
    server.stop()


def test_an_agent_that_vanished(glim, tmp_path):
    state = {"pid": 1, "service": "shop", "server": "http://h", "updated": 1700000000,
             "started": 1600000000, "capture": {}, "upload": {}}
    (tmp_path / "state").write_text(json.dumps(state))
    status, report = doctor(glim, "--state", tmp_path / "state")
    assert status == 1
    assert finding(report, "agent")["status"] == "fail" and finding(report, "agent")["cure"]


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"upload": 5, "pid": "x"}'])
def test_a_broken_state_file(glim, tmp_path, text):
    (tmp_path / "state").write_text(text)
    _, report = doctor(glim, "--state", tmp_path / "state")
    assert finding(report, "agent")["status"] in ("warn", "fail")


def test_a_server_that_is_not_there(glim, free_port):
    status, report = doctor(glim, "--server", f"http://127.0.0.1:{free_port}")
    assert status == 1
    assert "cannot connect" in finding(report, "server")["detail"]
    assert finding(report, "server")["cure"]


@pytest.mark.parametrize("answer, key", [(200, "ok"), (401, "fail"), (403, "fail")])
def test_a_server_and_its_key(glim, answer, key):
    server = Collector(reply=lambda r: answer)
    status, report = doctor(glim, "--server", server.url, env={"GLIM_KEY": "glim_secret"})
    assert finding(report, "server")["status"] == "ok"
    assert finding(report, "key")["status"] == key
    assert status == (key == "fail")
    server.wait(lambda: server.requests)  # it is counted after the answer went out
    assert server.requests[0].headers["Authorization"] == "Bearer glim_secret"
    assert "glim_secret" not in json.dumps(report)
    server.stop()


def test_wrong_usage(glim):
    r = subprocess.run([glim, "doctor", "me"], capture_output=True, text=True, timeout=120)
    assert r.returncode == 2 and '"me"' in r.stderr


def test_it_says_why_code_has_no_table(glim, run, tmp_path):
    # Nothing but code: not even a section that says how to leave it.
    source = tmp_path / "bare.S"
    source.write_text(".globl _start\n_start: jmp _start\n")
    bare = tmp_path / "bare"
    subprocess.run(["gcc", "-nostdlib", "-static", "-Wl,--build-id=none", "-o", bare, source], check=True)
    run([bare])
    status, report = doctor(glim)
    assert status == 0, report
    details = [c["detail"] for c in report["checks"] if c["name"] == "unwind tables"]
    assert any(d.startswith("no call frame information: ") for d in details), details
