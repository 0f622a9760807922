"""Every query of the dashboard, asked of a real Prometheus that scrapes a running service."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.services._aiops_process import AiopsProcess, free_port, wait_for
from tests.services._servers import program, prometheus_server

pytestmark = pytest.mark.service

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy/grafana/dashboards/aiops.json").read_text())
STEP_S = 5
HISTORY_ROWS = 400
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: [{{job_name: aiops, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]
"""
SETTINGS = """\
push: {{enabled: false}}
prometheus: [{{url: '{url}', step_s: {step_s}, lateness_steps: 0, history_days: 0.02}}]
notifiers: [{{kind: webhook, name: nobody, url: 'http://127.0.0.1:1/'}}]
"""
VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$service": ".*", "$signal": ".*"}


def backfilled(folder, end_s):
    """Half an hour of a process, so that its series have scores from the first live row."""
    folder.mkdir()
    times = [end_s - STEP_S * k for k in range(HISTORY_ROWS, -1, -1)]
    lines = ["# TYPE process_resident_memory_bytes gauge"]
    lines += [f'process_resident_memory_bytes{{job="shop"}} {1e8 + k % 7 * 1e6} {t}' for k, t in enumerate(times)]
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """The address of a Prometheus that has the metrics of a service that scores a series."""
    folder = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    backfilled(folder / "prometheus", int(time.time()))
    server = prometheus_server(folder / "prometheus", CONFIG.format(port=port))
    server.start()
    try:
        with AiopsProcess(folder, SETTINGS.format(url=server.url, step_s=STEP_S), port=port) as service:
            service.wait_ready(300.0)
            wait_for(lambda: asked(server.url, "anomaly_score"), 300.0, service.log_tail)
            # A rate needs two scrapes, and so does what was counted since.
            wait_for(lambda: asked(server.url, "rate(aiops_samples_total[1m])"), 60.0, service.log_tail)
            yield server.url
    finally:
        server.stop()


def asked(url, expression):
    """The result of an instant query; fails when Prometheus refuses it."""
    answer = httpx.post(url + "/api/v1/query", data={"query": expression}).json()
    assert answer["status"] == "success", f"{expression}: {answer['error']}"
    return answer["data"]["result"]


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable nobody fills in: {expression}"
    return expression


EXPRESSIONS = sorted({(p["title"], t["expr"]) for p in DASHBOARD["panels"] for t in p.get("targets", [])})


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_query_of_a_panel_is_answered_with_something(prometheus, title, expression):
    assert asked(prometheus, filled(expression)), f"the panel {title!r} would be empty"


def test_the_variables_find_what_there_is(prometheus):
    found = {}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            params = {"match[]": filled(selector)}
            answer = httpx.get(f"{prometheus}/api/v1/label/{label}/values", params=params).json()
            found[variable["name"]] = answer["data"]
    assert found["job"] == ["aiops"]
    assert "shop" in found["service"]
    assert "memory_bytes" in found["signal"]
