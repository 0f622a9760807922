"""`init`, `check-config` and `replay` on a real Prometheus that holds half a day of a shop whose payments get slow."""

from __future__ import annotations

import json
import logging
import math
import re
import subprocess
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from aiops.cli import app
from aiops.errors import InputError, Unavailable
from tests.services._aiops_process import free_port
from tests.services._servers import program, prometheus_server

pytestmark = pytest.mark.service

STEP_S = 30
HOURS = 12
FAULT_S = (-3600, -2400)
"""Payments are slow from an hour before now, for 20 minutes."""
AHEAD_S = 600
"""The data goes on for so long after now: the servers' clock moves on while they are asked."""
BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
OWN_S = {"payments": 0.03, "cart": 0.04, "checkout": 0.08, "gateway": 0.12}
RATE = {"payments": 12.0, "cart": 8.0, "checkout": 12.0, "gateway": 20.0}
CALLS = (("gateway", "checkout"), ("gateway", "cart"), ("checkout", "payments"))
SLOW_S = 0.7
TOUCHED = ("payments", "checkout", "gateway")


def shares(mean_s):
    """Share of requests in each bucket, times being lognormal with a spread of a half."""
    below = [0.5 * (1 + math.erf((math.log(b / mean_s) + 0.125) / 0.5 / math.sqrt(2))) for b in BOUNDS_S]
    return np.diff([0.0, *below])


def counters(times, now_s):
    """Series of the shop's counters, name and labels to running totals at the times."""
    rng, found = np.random.default_rng(5), {}
    slow = (times >= now_s + FAULT_S[0]) & (times < now_s + FAULT_S[1])
    for name, own_s in OWN_S.items():
        mean_s = np.where(slow & (name in TOUCHED), own_s + SLOW_S, own_s)
        requests = rng.poisson(RATE[name] * STEP_S, len(times))
        chance = np.where((mean_s > own_s)[:, None], shares(own_s + SLOW_S), shares(own_s))
        totals = np.cumsum(np.cumsum(rng.multinomial(requests, chance), axis=1), axis=0)
        took_s = np.cumsum(requests * mean_s * (1 + 0.02 * rng.standard_normal(len(times))))
        labels = f'service_name="{name}",http_response_status_code="200"'
        metric = "http_server_request_duration_seconds"
        for bound, total in zip(BOUNDS_S, totals.T, strict=True):
            found[f'{metric}_bucket{{{labels},le="{bound:g}"}}'.replace("inf", "+Inf")] = total
        found[f"{metric}_count{{{labels}}}"], found[f"{metric}_sum{{{labels}}}"] = totals[:, -1], took_s
    for caller, callee in CALLS:
        total = np.cumsum(rng.poisson(RATE[callee] * STEP_S, len(times)))
        found[f'traces_service_graph_request_total{{client="{caller}",server="{callee}"}}'] = total
    return found


def back_filled(folder, now_s):
    """Write it all as blocks, and the alert that a rule of the shop would have raised."""
    times = np.arange(now_s - HOURS * 3600, now_s + AHEAD_S + 1, STEP_S)
    lines = [
        f"{series} {value} {at}"
        for series, values in counters(times, now_s).items()
        for at, value in zip(times.tolist(), values.tolist(), strict=True)
    ]
    firing = range(now_s + FAULT_S[0] + 180, now_s + FAULT_S[1] + 120, STEP_S)
    alert = 'ALERTS{alertname="GatewaySlow",alertstate="firing",service="gateway",severity="page"}'
    lines += [f"{alert} 1 {at}" for at in firing]
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A server with the shop's half day, and what is now for it."""
    folder, now_s = tmp_path_factory.mktemp("shop"), int(time.time()) // 60 * 60
    server = prometheus_server(folder, "global: {scrape_interval: 1h}\n", "--query.lookback-delta=45s")
    back_filled(folder, now_s)
    server.start()
    yield server.url, now_s
    server.stop()


@pytest.fixture
def aiops():
    """The command line inside this process, with its logging undone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])
    root.handlers[:] = handlers
    root.setLevel(level)


def moment(at_s):
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def period(now_s, since_s=-2 * 3600):
    return "--start", moment(now_s + since_s), "--end", moment(now_s)


def test_the_past_of_a_server_is_one_page_that_blames_the_right_service(aiops, shop):
    url, now_s = shop
    told = aiops("replay", "--prometheus", url, *period(now_s))
    assert told.exit_code == 0, told.exception
    assert "1 alert -> 1 incident -> 1 page;" in told.stdout
    assert re.search(r"Cause +payments ", told.stdout)
    assert re.search(r"Path +payments -> checkout -> gateway", told.stdout)


def test_the_first_suspect_is_the_service_that_got_slow_and_the_file_saved_on_the_way_says_the_same(
    aiops, shop, tmp_path
):
    """A replay file has neither history nor graph: it is saved from early on, and the graph comes from a file."""
    url, now_s = shop
    saved, settings = tmp_path / "shop.replay", tmp_path / "aiops.yaml"
    (tmp_path / "graph.yaml").write_text("edges: {gateway: [checkout, cart], checkout: [payments]}\n")
    settings.write_text("graph: {file: graph.yaml}\n")
    early = period(now_s, -11 * 3600)
    live = aiops("replay", "--prometheus", url, *early, "--save", saved, "--format", "json")
    again = aiops("replay", "--file", saved, "--config", settings, "--format", "json")
    assert (live.exit_code, again.exit_code) == (0, 0), (live.exception, again.exception)
    for told in (json.loads(live.stdout), json.loads(again.stdout)):
        assert [told[k] for k in ("alerts", "events", "pages")] == [1, 2, 1]
        (incident,) = told["incidents"]
        assert incident["suspects"][0]["service"] == "payments"
        assert incident["services"] == ["checkout", "gateway", "payments"]
        assert [e["description"] for e in incident["alerts"]] == ["GatewaySlow"]
        assert 0 <= datetime.fromisoformat(incident["started_at"]).timestamp() - (now_s + FAULT_S[0]) <= 120


def test_init_finds_the_shop_and_its_configuration_is_fine_and_replays_it(aiops, shop, tmp_path):
    url, _ = shop
    path = tmp_path / "aiops.yaml"
    planned = aiops("init", "--prometheus", url, "--output", path)
    assert planned.exit_code == 0, planned.exception
    assert re.search(r"otel_http: .*\n +4 services, 20 series", planned.stdout)
    assert "Calls between services are known from metrics: 3." in planned.stdout
    checked = aiops("check-config", path)
    assert f"{path}: fine" in checked.stdout
    assert f"pull: {url} every 30 s" in checked.stdout
    told = aiops("replay", "--config", path, "--start", "2h", "--format", "json")
    (incident,) = json.loads(told.stdout)["incidents"]
    assert incident["suspects"][0]["service"] == "payments"


def test_a_configuration_that_cannot_be_written_is_an_input_error(aiops, shop, tmp_path):
    result = aiops("init", "--prometheus", shop[0], "--output", tmp_path / "none" / "aiops.yaml")
    assert isinstance(result.exception, InputError)
    assert "aiops.yaml: cannot be written: No such file or directory" in str(result.exception)


def test_a_server_without_known_metrics_is_an_input_error(aiops, prometheus):
    server = prometheus("global: {scrape_interval: 1h}\n")
    result = aiops("replay", "--prometheus", server.url, "--start", "1h")
    assert isinstance(result.exception, InputError)
    assert "no alerts in this period and no metrics that a signal pack matches" in str(result.exception)


def test_a_server_that_is_not_there_is_an_error_of_ours(aiops):
    result = aiops("replay", "--prometheus", f"http://127.0.0.1:{free_port()}", "--start", "1h")
    assert isinstance(result.exception, Unavailable)
