"""What README says can be typed: every `glim ...` of it runs, and does what stands beside it."""

import re
import shlex
import shutil
import subprocess
import sys

from conftest import READY, ROOT

README = (ROOT / "README.md").read_text()
SENTENCES = re.findall(r"`(glim [^`]+)`", README)
BLOCKS = re.findall(r"^(glim .*?) +#", README, re.M)
LINES = list(dict.fromkeys(SENTENCES + BLOCKS))
BUSY = "def spin():\n    print('ready', flush=True)\n    while True: pass\nspin()"


def words_of(command):
    """The lines of one command, as words without the program."""
    found = [shlex.split(line)[1:] for line in LINES if line.split()[1] == command]
    assert found, f"README has no glim {command}"
    return found


def filled(words, **values):
    """With the words in capitals replaced."""
    done = [values.get(w, w) for w in words]
    assert not [w for w in done if str(w).isupper()], f"no value for a word of {words}"
    return done


def runs(glim, folder, words):
    r = subprocess.run([glim, *words], capture_output=True, text=True, timeout=120, cwd=folder)
    assert r.returncode == 0, (words, r.stdout, r.stderr)
    return r.stdout


def test_no_line_is_left_out():
    tested = {"agent", "server", "record", "top", "time", "dump", "report", "diff", "timeit", "mem", "doctor", "help"}
    assert {line.split()[1] for line in LINES} == tested, "a line that no test knows"


def test_the_files_that_are_installed_are_there():
    files = [w for line in re.findall(r"^install .*", README, re.M) for w in line.split() if w.startswith(("docs", "pack"))]
    assert len(files) == 4 and all(list(ROOT.glob(f)) for f in files), files


def test_what_ends_by_itself(glim, run, tmp_path):
    program = [sys.executable, "-c", BUSY]
    busy = run(program)
    busy.wait_line("ready")
    (tmp_path / "app.py").write_text("import time\nwhile time.process_time() < 0.5: pass\n")
    for words in words_of("record"):
        if "-d" in words:
            words[words.index("-d") + 1] = "1"
        else:  # a command, which ends
            words[words.index("python")] = sys.executable
        runs(glim, tmp_path, words)
    assert (tmp_path / "cpu.html").stat().st_size > 10000
    for name in ("old", "new"):
        shutil.copy(tmp_path / "cpu.pb.gz", tmp_path / f"{name}.pb.gz")
    for words in words_of("report"):
        assert "spin" in runs(glim, tmp_path, words)
    for words in words_of("diff"):
        rows = re.findall(r"^ *([\d.]+) +([\d.]+) +(\S+) ", runs(glim, tmp_path, words), re.M)
        assert rows and all(a == b and change == "0.0" for a, b, change in rows)
    for words in words_of("top"):  # as text, which ends
        last = program if words[-1] == "COMMAND" else [busy.pid]
        out = runs(glim, tmp_path, ["top", "-n", "1", *words[1:-1], *map(str, last)])
        assert "spin" in out
    for words in words_of("time"):
        if "-n" in words:
            words[words.index("-n") + 1] = "2"
        runs(glim, tmp_path, [sys.executable if w == "python" else w for w in words])
    for words in words_of("dump"):
        assert "spin" in runs(glim, tmp_path, filled(words, PID=str(busy.pid)))
    for words in words_of("timeit"):
        assert "best of " in runs(glim, tmp_path, words)
    for words in words_of("mem"):
        if "-p" in words:
            assert "MiB resident grown" in runs(glim, tmp_path, [*filled(words, PID=str(busy.pid)), "-d", "0.2"])
            continue
        assert "while time.process_time()" in runs(glim, tmp_path, [words[0], "--python", sys.executable, *words[1:]])
    for words in words_of("doctor"):
        assert "Glim works here" in runs(glim, tmp_path, words)
    for words in words_of("help"):
        for command in {line.split()[1] for line in LINES} - {"help"} if "COMMAND" in words else ():
            assert f"glim {command} " in runs(glim, tmp_path, filled(words, COMMAND=command))


def test_server_and_agent(glim, run, server, client, tmp_path, free_port):
    for words in words_of("server"):
        if len(words) == 1:
            continue  # its name in a sentence
        listen, data = f"127.0.0.1:{free_port}", str(tmp_path / "other")
        words = [listen if w == "ADDR:PORT" else data if w == "DIR" else w for w in words]
        assert run([glim, *words]).wait_line(READY)[1] == f"http://{listen}/"
    for words in words_of("agent"):
        # Its state is where other agents of this machine do not look.
        agent = run(
            [glim, *filled(words, URL=server.url, NAME="shop"), "--state", tmp_path / "state.json"],
            env={"GLIM_KEY": client.make_key()},
        )
        agent.wait_line(server.url.rstrip("/"))
        assert agent.stop() == 0
