"""The pasted line: the script that the server hands out installs the server's own program, checks it,
starts the agent, can be run again, and undoes itself.

It writes below a root of its own: the script's fixed paths are a file system mounted over in a private
mount namespace, so that nothing of this machine is touched.
"""

import hashlib
import os
import re
import subprocess

import pytest
from conftest import ROOT

# Everything that the script writes, as empty folders of our own.
MOUNTS = ["/etc/glim", "/run", "/var/log"]


class Host:
    """A place to install in: a mount namespace with fresh /etc/glim, /run and /var/log."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = folder / "prefix"
        for i, _ in enumerate(MOUNTS):
            (folder / f"mount{i}").mkdir()

    def sh(self, script, env=None, **kwargs):
        mounts = "".join(f"mount --bind {self.folder}/mount{i} {m} && " for i, m in enumerate(MOUNTS))
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{mounts}{{ {script}\n}}"],
            env={"PATH": os.environ["PATH"], "GLIM_PREFIX": str(self.prefix), **(env or {})},
            capture_output=True, text=True, timeout=120, **kwargs,
        )

    def path(self, name):
        for i, mount in enumerate(MOUNTS):
            if name.startswith(mount + "/"):
                return self.folder / f"mount{i}" / name[len(mount) + 1 :]
        return self.prefix / name


@pytest.fixture
def host(tmp_path):
    new = not os.path.exists("/etc/glim")  # something to mount over
    if new:
        os.mkdir("/etc/glim")
    yield Host(tmp_path)
    if new:
        os.rmdir("/etc/glim")


def pasted(server, *arguments):
    return f"curl -fsSL {server.url}/install.sh | sh -s -- {' '.join(arguments)}"


def test_the_script_knows_its_server(server):
    script = server.client().get("/install.sh")
    program = server.client().get("/download/glim-linux-x86_64").content
    digest = hashlib.sha256(program).hexdigest()
    assert program == server.glim.read_bytes()
    assert f"url='{server.url}'" in script.text and f"sha256='{digest}'" in script.text
    assert "@" not in re.sub(r"\$@", "", script.text)
    line = server.client().get("/download/glim-linux-x86_64.sha256").text
    assert line == f"{digest}  glim-linux-x86_64\n"
    assert script.headers["Content-Type"].startswith("text/")


def test_the_script_is_sound_shell(server, tmp_path):
    script = server.client().get("/install.sh").text
    (tmp_path / "install.sh").write_text(script)
    for check in (["shellcheck", "-s", "sh"], ["sh", "-n"]):
        r = subprocess.run([*check, tmp_path / "install.sh"], capture_output=True, text=True)
        assert r.returncode == 0, r.stdout + r.stderr


def test_install_again_and_uninstall(server, client, host):
    key = client.make_key()
    work = f"""
        set -e
        {pasted(server, "--service", "shop", "--no-systemd")}
        pid=$(cat /run/glim-agent.pid)
        tr '\\0' ' ' </proc/$pid/cmdline >"$GLIM_PREFIX/cmdline"
        cat /etc/glim/agent.conf >"$GLIM_PREFIX/conf"
        stat -c '%a %U' /etc/glim/key >"$GLIM_PREFIX/mode"
        cat /etc/glim/key >"$GLIM_PREFIX/key"
        sha256sum <"$GLIM_PREFIX/bin/glim" >"$GLIM_PREFIX/sum"
        unset GLIM_KEY
        {pasted(server, "--service=shop2", "--no-systemd")}
        [ "$(cat /run/glim-agent.pid)" != "$pid" ]
        [ ! -d /proc/$pid ]
        grep -q 'service = shop2' /etc/glim/agent.conf
        [ "$(cat /etc/glim/key)" = "$(cat "$GLIM_PREFIX/key")" ]
        pid=$(cat /run/glim-agent.pid)
        {pasted(server, "--uninstall")}
        [ ! -d /proc/$pid ]
    """
    r = host.sh(work, env={"GLIM_KEY": key})
    assert r.returncode == 0, r.stdout + r.stderr

    def kept(name):
        return (host.prefix / name).read_text()

    assert key not in kept("cmdline") and "agent --config /etc/glim/agent.conf" in kept("cmdline")
    assert key not in kept("conf") and f"server = {server.url}" in kept("conf")
    assert "service = shop\n" in kept("conf") and "key-file = /etc/glim/key" in kept("conf")
    assert (kept("mode"), kept("key")) == ("600 root\n", key + "\n")
    assert kept("sum").split()[0] == hashlib.sha256(server.glim.read_bytes()).hexdigest()
    for gone in ("/etc/glim/key", "/etc/glim/agent.conf", "/run/glim-agent.pid", "/var/log/glim-agent.log", "bin/glim"):
        assert not host.path(gone).exists(), gone
    assert key not in r.stdout + r.stderr


def fails(result, word, host):
    assert result.returncode == 1, result.stdout + result.stderr
    assert word in result.stderr, result.stderr
    assert not host.path("bin/glim").exists() and not host.path("bin/glim.new").exists()


def test_a_changed_program_is_refused(server, client, host, tmp_path):
    script = client.get("/install.sh").text
    changed = re.sub(r"sha256='(.)", lambda m: f"sha256='{'0' if m[1] != '0' else '1'}", script)
    (tmp_path / "changed.sh").write_text(changed)
    r = host.sh(f"sh {tmp_path}/changed.sh --service shop --no-systemd", env={"GLIM_KEY": "glim_x"})
    fails(r, "damaged", host)


def test_half_a_script_does_nothing(server, client, host, tmp_path):
    script = client.get("/install.sh").text
    for share in (0.3, 0.6, 0.95, 0.999):
        (tmp_path / "half.sh").write_text(script[: int(len(script) * share)])
        host.sh(f"sh {tmp_path}/half.sh --service shop --no-systemd", env={"GLIM_KEY": "glim_x"})
        assert not host.prefix.exists() and not host.path("/etc/glim/key").exists()


def test_clear_refusals(server, client, host, tmp_path):
    script = tmp_path / "install.sh"
    script.write_text(client.get("/install.sh").text)
    script.chmod(0o755)
    env = {"GLIM_KEY": "glim_x"}
    fails(host.sh(f"sh {script}", env=env), "--service", host)
    fails(host.sh(f"sh {script} --service 'a b'", env=env), "A-Z", host)
    fails(host.sh(f"sh {script} --service {'x' * 65}", env=env), "64", host)
    fails(host.sh(f"sh {script} --nonsense", env=env), "--nonsense", host)
    fails(host.sh(f"sh {script} --service shop"), "GLIM_KEY", host)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "id", "cat", "mkdir", "chmod", "mv", "rm"):
        (tools / name).symlink_to(subprocess.check_output(["which", name], text=True).strip())
    uname = tools / "uname"
    uname.write_text('#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n')
    uname.chmod(0o755)
    fails(host.sh(f"PATH={tools} sh {script} --service shop", env=env), "curl", host)
    uname.write_text('#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo mips\n')
    fails(host.sh(f"PATH={tools} sh {script} --service shop", env=env), "mips", host)
    nobody = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-s", "--", "--service", "shop"],
        input=script.read_text(), capture_output=True, text=True,
    )
    assert nobody.returncode == 1 and "root" in nobody.stderr
    server.stop()
    fails(host.sh(f"sh {script} --service shop --no-systemd", env=env), "is the server up", host)


def test_the_unit_is_sound(server, client, host, tmp_path):
    """systemd's own checker reads the unit that the script writes."""
    script = client.get("/install.sh").text
    unit = tmp_path / "glim-agent.service"
    part = script.replace('main "$@"', f"unit={unit}; program=/bin/true; write_unit")
    subprocess.run(["sh", "-c", part], check=True)
    text = unit.read_text()
    assert "ExecStart=/bin/true agent --config /etc/glim/agent.conf" in text
    for line in ("Restart=always", "MemoryMax=", "Nice=", "CapabilityBoundingSet=CAP_BPF CAP_PERFMON"):
        assert line in text
    r = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert r.returncode == 0 and not r.stderr, r.stderr
    assert (ROOT / "packaging" / "install.sh").exists()
