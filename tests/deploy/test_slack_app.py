"""What is pasted into Slack and copied from the page about it is what the service needs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from aiops import config
from tests.notifiers._fake_slack import NEEDED, SCOPES

ROOT = Path(__file__).parent.parent.parent


def test_the_manifest_asks_for_the_scopes_that_are_used_and_for_nothing_else():
    manifest = yaml.safe_load((ROOT / "deploy" / "slack" / "manifest.yaml").read_text())
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES
    assert set(NEEDED.values()) <= SCOPES
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert manifest["settings"]["socket_mode_enabled"]


def test_the_example_of_the_page_is_a_configuration(tmp_path):
    page = (ROOT / "docs" / "slack.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    for name in ("slack-bot-token", "slack-app-token"):
        (tmp_path / name).write_text("xoxb")
    (slack,) = config.parse(example[1], where="the page", environment={}, beside=tmp_path).notifiers
    assert [route.channel for route in slack.routes] == ["C0PAYMENTS", "C0DATA", "C0NIGHT"]
