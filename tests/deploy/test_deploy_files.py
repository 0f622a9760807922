"""The pieces in deploy/ are accepted by the programs they are for, and name metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from aiops.telemetry import Telemetry

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


def accepted_by(program, *arguments):
    found = shutil.which(program)
    if found is None:
        import os

        assert os.environ.get("CI") != "true", f"{program} must be installed in CI"
        pytest.skip(f"{program} is not installed")
    result = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.service
def test_prometheus_accepts_its_configuration_and_rules():
    accepted_by("promtool", "check", "config", DEPLOY / "prometheus.yml")


@pytest.mark.service
def test_alertmanager_accepts_its_configuration():
    accepted_by("amtool", "check-config", DEPLOY / "alertmanager.yml")


def test_every_rule_is_about_metrics_that_the_service_has_from_its_start():
    telemetry = Telemetry()
    telemetry.add_source("push")
    telemetry.add_asked("main", lambda: True)
    telemetry.add_receiver("console")
    known = set(re.findall(r"^(aiops_\w+?)(?:_bucket|_sum|_count)?[{ ]", telemetry.render().decode(), re.MULTILINE))
    rules = yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"\baiops_\w+", rule["expr"])}
    assert used
    assert used <= known
