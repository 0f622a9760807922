"""`silence` and `audit` against a service over HTTP."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from aiops.audit import Audited
from aiops.cli import app
from aiops.commands.silences import seconds
from aiops.errors import InputError
from aiops.silencing import Silencing
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from tests.commands.test_verdicts import Running
from tests.test_silencing import NOW_MS, Keeper
from tests.web.conftest import INCIDENT, FakeBackend


@pytest.fixture
def told():
    """Runs a command against a service; gives what it printed."""
    backend = FakeBackend(lines=[Audited(NOW_MS, "slack", "anna: acknowledge")])
    desk = Silencing({"am": Keeper()}, backend.incident, clock=lambda: NOW_MS)
    with Running(build_app(backend, WebSettings(), silencing=desk)) as running:

        def run(*words):
            result = CliRunner().invoke(app, [*words, "--url", running.url], catch_exceptions=False)
            assert result.exit_code == 0, result.output
            return result.output

        yield run


def test_a_silence_is_proposed_made_listed_and_ended_and_who_did_what_is_listed(told):
    assert told("silence", "list") == "Nothing is silenced.\n"
    assert "(proposal)" in told("silence", "propose", INCIDENT.id, "--who", "ann", "--for", "30m")
    made = told("silence", "create", "--matcher", "service=cart", "--who", "ann", "--comment", "move")
    assert made == 's0  service="cart"\n  until 2023-11-15T00:13:20Z, ann: move\n'
    assert told("silence", "list") == made
    assert json.loads(told("silence", "list", "--format", "json"))["silences"][0]["id"] == "s0"
    assert "until 2023-11-14T22:13:20Z" in told("silence", "expire", "s0", "--who", "ann")
    assert told("audit") == "2023-11-14T22:13:20Z  slack  anna: acknowledge\n"
    assert json.loads(told("audit", "--format", "json"))["audit"][0]["via"] == "slack"


def test_how_long_it_lasts_is_written_as_people_do():
    assert [seconds(text, "--for") for text in ("90s", "2h", "1.5d")] == [90, 7200, 129_600]
    with pytest.raises(InputError, match="--for: 'soon' is not like 2h"):
        seconds("soon", "--for")
