"""`aiops replay` on a real Prometheus that has rules and nothing else: what its own alerts would have become."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from tests.services._aiops_process import wait_for
from tests.services.test_replay_prometheus import aiops  # noqa: F401 - a fixture

pytestmark = pytest.mark.service

# Thirteen alerts of four services that call each other fire at once; one comes and goes; one marks that all is well.
RULES = """\
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: Down, expr: "label_replace(vector(1), 'service', 'db', '', '')", labels: {severity: page}}
%s
      - {alert: Flaps, expr: "(vector(time()) %% 4 < 2)", labels: {service: mail}}
      - {alert: Watchdog, expr: "vector(1)", labels: {severity: none}}
"""
SERVICES = ("cart", "checkout", "gateway")
SLOW = "\n".join(
    f"      - {{alert: Slow{n}, expr: 'vector(1)', labels: {{service: {service}}}}}"
    for service in SERVICES
    for n in range(4)
)
CONFIG = "global: {scrape_interval: 1h, evaluation_interval: 1s}\nrule_files: [rules.yaml]\n"
GRAPH = "edges: {gateway: [checkout, cart], checkout: [db], cart: [db]}\n"


def test_thirteen_alerts_of_one_fault_are_one_page_and_the_rest_says_why_it_is_none(aiops, prometheus, tmp_path):  # noqa: F811 - the fixture
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "rules.yaml").write_text(RULES % SLOW)
    server = prometheus(CONFIG, folder=folder)
    began_s = time.time()
    wait_for(lambda: time.time() - began_s > 14, 60, str)
    (tmp_path / "graph.yaml").write_text(GRAPH)
    pulled = f"prometheus: [{{url: '{server.url}', step_s: 1}}]"
    settings = f"{{{pulled}, graph: {{file: graph.yaml}}, triage: {{group_wait_s: 3}}}}"
    (tmp_path / "aiops.yaml").write_text(settings)
    now_s = time.time()
    start, end = (datetime.fromtimestamp(at_s, UTC).isoformat() for at_s in (now_s - 10, now_s))
    # The same seconds for both: one of the alerts comes and goes.
    period = ("--config", tmp_path / "aiops.yaml", "--start", start, "--end", end)
    told = json.loads(aiops("replay", *period, "--format", "json").stdout)
    assert told["samples"] == 0
    shop = [i for i in told["incidents"] if "db" in i["services"]]
    assert [len(i["alerts"]) for i in shop] == [13]
    assert told["pages"] == len(told["incidents"]) <= 2, "the flapping one may be over before the group wait each time"
    assert told["held_back"]["listed in its incident"] >= 12
    text = aiops("replay", *period, "--alerts-only").stdout
    assert f"{told['alerts']} alerts -> " in text
    assert "listed in its incident" in text
