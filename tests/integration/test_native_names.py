"""Names of native functions that are not in the program: end to end."""

import http.server
import os
import subprocess
import threading

import pytest

BURN = """
#include <stdio.h>
__attribute__((noinline)) static unsigned long glim_burns(unsigned long n)
{
	volatile unsigned long x = n;

	for (int i = 0; i < 1000; i++)
		x = x * 3 + 1;
	return x;
}

int main(void)
{
	unsigned long n = 0;

	puts("ready");
	fflush(stdout);
	for (;;)
		n = glim_burns(n);
}
"""

SCRIPT = """
function glim_hot() { for (let x = 0, i = 0; ; i++) x = (x * 3 + i) % 1000003; }
setTimeout(glim_hot, 1);
console.log("ready");
"""


def leaves(glim, process, *options, env=None, seconds=2):
    """{leaf: samples} of the stacks of one process."""
    r = subprocess.run(
        [glim, "record", "-a", "-d", str(seconds), "-f", "folded", "-o", "-", *options],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **(env or {})},
    )
    assert r.returncode == 0, r.stderr
    found = {}
    for line in r.stdout.splitlines():
        stack, n = line.rsplit(" ", 1)
        frames = stack.split(";")
        if frames[0] == process and not frames[-1].endswith("_[k]"):
            found[frames[-1]] = found.get(frames[-1], 0) + int(n)
    return found


def share(found, name):
    return sum(n for leaf, n in found.items() if name in leaf) / max(1, sum(found.values()))


@pytest.fixture
def stripped(tmp_path, run):
    """A program that burns CPU time in a static function, and its debug file."""
    source, program = tmp_path / "burn.c", tmp_path / "glim-burn"
    source.write_text(BURN)
    subprocess.run(
        ["gcc", "-O1", "-g", "-Wl,--build-id=sha1", source, "-o", program], check=True
    )
    debug = tmp_path / "elsewhere.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
    subprocess.run(["strip", program], check=True)
    return program, debug, notes.split("Build ID: ")[1].split()[0]


@pytest.fixture
def debug_server(stripped):
    """A debuginfod server that knows one file, and the paths it was asked for."""
    _, debug, build_id = stripped
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append(self.path)
            known = self.path == f"/buildid/{build_id}/debuginfo"
            body = debug.read_bytes() if known else b"unknown"
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()


def test_a_debug_link_beside_the_program(glim, run, stripped, tmp_path):
    program, debug, _ = stripped
    run([program]).wait_line("ready")
    assert share(leaves(glim, "glim-burn"), "glim_burns") == 0
    linked, beside = tmp_path / "glim-linked", tmp_path / ".debug"
    beside.mkdir()
    (beside / "glim.debug").write_bytes(debug.read_bytes())
    subprocess.run(
        ["objcopy", f"--add-gnu-debuglink={beside / 'glim.debug'}", program, linked], check=True
    )
    run([linked]).wait_line("ready")
    assert share(leaves(glim, "glim-linked"), "glim_burns") > 0.95


def test_debuginfod(glim, run, stripped, debug_server, tmp_path):
    url, asked = debug_server
    run([stripped[0]]).wait_line("ready")
    env = {"DEBUGINFOD_URLS": url, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    # Nobody is asked without being told to.
    leaves(glim, "glim-burn", env=env)
    assert asked == []
    leaves(glim, "glim-burn", "--debuginfod", env=env, seconds=3)
    want = f"/buildid/{stripped[2]}/debuginfo"
    assert asked.count(want) == 1
    kept = tmp_path / "cache" / "glim" / "debuginfod" / stripped[2] / "debuginfo"
    assert kept.read_bytes() == stripped[1].read_bytes()
    found = leaves(glim, "glim-burn", "--debuginfod", env=env)
    assert share(found, "glim_burns") > 0.95
    assert asked.count(want) == 1


def test_debuginfod_wants_servers(glim):
    env = {k: v for k, v in os.environ.items() if k != "DEBUGINFOD_URLS"}
    r = subprocess.run(
        [glim, "record", "-a", "--debuginfod", "-d", "1"], capture_output=True, text=True, env=env
    )
    assert r.returncode == 2 and "DEBUGINFOD_URLS" in r.stderr


def test_functions_that_nodejs_compiles(glim, run, tmp_path):
    script = tmp_path / "hot.js"
    script.write_text(SCRIPT)
    node = run(["node", "--perf-basic-prof", script], cwd=tmp_path)  # it leaves a log there
    node.wait_line("ready")
    try:
        # Before it is compiled it is interpreted: a moment of its own time, which may take long.
        shares = (share(leaves(glim, "node", seconds=2), "glim_hot") for _ in range(10))
        assert any(part > 0.9 for part in shares)
    finally:
        os.unlink(f"/tmp/perf-{node.pid}.map")
