"""Help, manual pages and completion speak of the same options."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["agent", "server", "record", "top", "dump", "report", "diff", "doctor"]


def say(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=30)


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


def complete(glim, words):
    """What bash offers for the last of these words."""
    script = (
        f"source {ROOT}/packaging/completions/glim.bash; COMP_WORDS=({glim} {words}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _glim; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return set(say("bash", "-c", script).stdout.split())


def test_completion(glim):
    assert complete(glim, "do") == {"doctor"}
    assert complete(glim, "help ''") >= set(COMMANDS)
    assert complete(glim, "agent --ser") == {"--server", "--service"}
    assert complete(glim, "record -f f") == {"folded"}
