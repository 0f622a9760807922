"""What goes wrong is one line on standard error and status 1; help and version are answered by themselves."""

from __future__ import annotations

import pytest

from aiops import __version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check-config", "none.yaml"], "none.yaml: is not there; `aiops init"),
        (["run", "--config", "none.yaml"], "none.yaml: is not there; `aiops init"),
        (["replay"], "--start is missing"),
        (["explain", "x"], "there is no store"),
        (["rank", "nowhere"], "case.json"),
        (["rank", "nowhere", "--output", "no/such/file"], "no/such/file: cannot be written"),
        (["score", "none.csv", "--output", "out.csv"], "none.csv"),
        (["init", "--prometheus", "prometheus:9090"], "must look like http://prometheus:9090"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_without_a_traceback(process, arguments, said):
    done = process(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("aiops: ")
    assert said in line


def test_a_wrong_option_is_status_2(process):
    assert process("replay", "--from", "7d").returncode == 2


def test_the_version_is_that_of_the_package(aiops):
    assert aiops("--version").stdout == f"aiops {__version__}\n"


@pytest.mark.parametrize("group", [[], ["silence"]], ids=str)
def test_the_list_of_commands_says_each_in_a_whole_sentence(aiops, group):
    told = aiops(*group, "--help").stdout
    assert told.count("\n  ") > 4
    assert "..." not in told.partition("Commands:")[2]
