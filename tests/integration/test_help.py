"""Help, manual pages and completion speak of the same options."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["agent", "server", "record", "top", "time", "dump", "report", "diff", "timeit", "mem", "doctor"]


def say(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def options(glim, command):
    r = say(glim, "help", command)
    assert r.returncode == 0 and r.stderr == ""
    assert max(map(len, r.stdout.splitlines())) <= 100
    found = re.findall(r"^ +(?:-\w, )? *--([a-z-]+)", r.stdout, re.M)
    assert len(found) == len(set(found))
    return set(found) - {"help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_knows_every_option(glim, command):
    page = (ROOT / "docs" / "man" / f"glim-{command}.1").read_text()
    documented = set(re.findall(r"^\.It (?:Fl \w , )?Fl -([a-z-]+)", page, re.M))
    assert documented == options(glim, command)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_an_option_too(glim, command):
    assert say(glim, command, "--help").stdout == say(glim, "help", command).stdout


def bash(glim, words):
    """What bash offers for the last of these words."""
    script = (
        f"source {ROOT}/packaging/completions/glim.bash; COMP_WORDS=({glim} {words}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _glim; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return set(say("bash", "-c", script).stdout.split())


def zsh(glim, words):
    """The same of zsh; its matching by what was typed is done here."""
    script = (
        "_describe() { print -rl -- \"${(@P)2}\" }; _files() { print -rl -- *(N) }; "
        f"words=({glim} {words}); CURRENT=$#words; source {ROOT}/packaging/completions/_glim"
    )
    typed = words.split()[-1].strip("'") if words else ""
    found = say("zsh", "-fc", script).stdout.splitlines()
    return {line.split(":")[0] for line in found if line.startswith(typed)}


def fish(glim, words):
    script = (
        f"set -p PATH {glim.parent}; source {ROOT}/packaging/completions/glim.fish; "
        f"complete -C 'glim {words.replace(chr(39) * 2, '')}'"
    )
    return {line.split("\t")[0] for line in say("fish", "--no-config", "-c", script).stdout.splitlines()}


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_completion(glim, tmp_path, shell):
    assert shell(glim, "do") == {"doctor"}
    assert shell(glim, "help ''") >= set(COMMANDS)
    assert shell(glim, "agent --ser") == {"--server", "--service"}
    assert shell(glim, "record -f f") == {"folded"}
    assert shell(glim, "record --format sp") == {"speedscope"}
    assert str(os.getpid()) in shell(glim, "top -p ''")


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_completion_offers_files_where_there_is_nothing_else(glim, tmp_path, monkeypatch, shell):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cpu.pb.gz").touch()
    assert shell(glim, "report cp") == {"cpu.pb.gz"}
    assert shell(glim, "report cpu.pb.gz -o cp") == {"cpu.pb.gz"}
