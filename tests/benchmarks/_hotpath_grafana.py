"""Adaptive z-score rules, as Grafana's are built, in a real Prometheus, against the banks: CPU a series and minute.

The rules are our own and do what theirs do: bands of a mean and a deviation over 1 and 26 hours, with the deviation's
own mean over 26 hours for the short one, and an alert beyond the outermost. They look at one value a minute; the banks
get four. Counted is the CPU time of the Prometheus process between the ends of evaluations, less what the same process
takes when its rules are taken away, by turns in one run. Nothing is scraped: the values were back-filled.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from detectors import Bank, Light
from tests.benchmarks._table import Row, at_most
from tests.services._servers import Server, prometheus_server

SERIES, HOURS = 1000, 27
TICKS_PER_MINUTE = 4
EVALUATIONS, ROUNDS, INTERVAL_S = 4, 2, 8
IDLE_S = 8.0
PATIENCE_S = 60.0
GOAL = 1 / 300

_GLOBAL = f"global: {{evaluation_interval: {INTERVAL_S}s}}\n"
_RULES = """groups:
- name: bands
  rules:
  - {record: "band:mean:1h", expr: "avg_over_time(signal[1h])"}
  - {record: "band:deviation:1h", expr: "stddev_over_time(signal[1h]) < 0.5 * abs(band:mean:1h)"}
  - {record: "band:mean:26h", expr: "avg_over_time(signal[26h])"}
  - {record: "band:deviation:26h", expr: "stddev_over_time(signal[26h])"}
  - {record: "band:deviation_mean:26h", expr: "avg_over_time(deviation[26h])"}
  - {record: "band:short:upper", expr: "band:mean:1h + 2 * band:deviation_mean:26h"}
  - {record: "band:short:lower", expr: "band:mean:1h - 2 * band:deviation_mean:26h"}
  - {record: "band:long:upper", expr: "band:mean:26h + 2 * band:deviation:26h"}
  - {record: "band:long:lower", expr: "band:mean:26h - 2 * band:deviation:26h"}
  - {record: "band:upper", expr: "(band:short:upper >= band:long:upper) or band:long:upper"}
  - {record: "band:lower", expr: "(band:short:lower <= band:long:lower) or band:long:lower"}
  - {alert: Odd, expr: "signal > on (id) band:upper or signal < on (id) band:lower"}
"""


def rows() -> list[Row]:
    """Measure; about three minutes."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        return [Row("grafana: rules in a Prometheus", "prometheus is not installed here")]
    with tempfile.TemporaryDirectory() as folder:
        evaluation_s, idle_share = _evaluation(Path(folder))
    rules_us = evaluation_s / SERIES * 1e6
    light_us, full_us = _bank_us(light=True), _bank_us(light=False)
    return [
        Row("grafana: rules in a Prometheus, a value a minute", rules_us, "us/series-minute"),
        Row("grafana: the same Prometheus without rules, taken off", 100 * idle_share, "% of a core"),
        Row("grafana: light bank, four values a minute", light_us, "us/series-minute"),
        Row("grafana: full bank, four values a minute", full_us, "us/series-minute"),
        at_most("grafana: light bank as a part of the rules", light_us / rules_us, "x", GOAL),
        at_most("grafana: full bank as a part of the rules", full_us / rules_us, "x", GOAL),
    ]


# -- the rules


def _evaluation(folder: Path) -> tuple[float, float]:
    """Seconds of CPU an evaluation takes, and the share of a core that goes without any."""
    _back_fill(folder)
    (folder / "rules.yaml").write_text(_RULES, encoding="utf-8")
    # The last value lies back as long as the run takes: a server whose blocks end later than now would record nothing.
    server = prometheus_server(folder, _GLOBAL, "--query.lookback-delta=15m", "--log.level=error")
    server.start()
    try:
        idle, spent = [], []
        for _ in range(ROUNDS):
            _reload(server, _GLOBAL)
            idle.append(_idle_share(server))
            _reload(server, _GLOBAL + "rule_files: [rules.yaml]\n")
            spent.append(_spent(server))
        assert _metric(server, "prometheus_rule_evaluation_failures_total") == 0.0, server.log_tail()
        upper = httpx.get(f"{server.url}/api/v1/query", params={"query": "count(band:upper)"}).json()
        assert upper["data"]["result"][0]["value"][1] == str(SERIES), upper
    finally:
        server.stop()
    idle_share = sum(idle) / ROUNDS
    of_rules_s = sum(cpu_s - idle_share * wall_s for cpu_s, wall_s, _ in spent)
    return of_rules_s / sum(count for *_, count in spent), idle_share


def _back_fill(folder: Path) -> None:
    """A value a minute for 27 hours up to now of each series, and of what the 1 h deviation would have been."""
    end_s = int(time.time())
    times, rng = np.arange(end_s - HOURS * 3600, end_s, 60).tolist(), np.random.default_rng(0)
    with (folder / "samples.txt").open("w", encoding="utf-8") as out:
        for name, mean, spread in (("signal", 100.0, 5.0), ("deviation", 5.0, 0.3)):
            for i in range(SERIES):
                values = mean + spread * rng.standard_normal(len(times))
                out.writelines(
                    f'{name}{{id="{i}",service="s{i % 40}"}} {value:.4f} {at}\n'
                    for at, value in zip(times, values.tolist(), strict=True)
                )
        out.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _reload(server: Server, config: str) -> None:
    assert server.process is not None
    (server.folder / "prometheus.yaml").write_text(config, encoding="utf-8")
    before = _metric(server, "prometheus_config_last_reload_success_timestamp_seconds")
    time.sleep(1.0)  # it keeps whole seconds
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_S
    while _metric(server, "prometheus_config_last_reload_success_timestamp_seconds") == before:
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.2)


def _idle_share(server: Server) -> float:
    time.sleep(2.0)  # what goes on after a reload
    cpu_s, began = _cpu_s(server), time.monotonic()
    time.sleep(IDLE_S)
    return (_cpu_s(server) - cpu_s) / (time.monotonic() - began)


def _spent(server: Server) -> tuple[float, float, float]:
    """CPU, wall seconds and number of the evaluations after the first, from the end of one to the end of another."""
    first = _wait_for_evaluations(server, _evaluations(server) + 1)
    cpu_s, began = _cpu_s(server), time.monotonic()
    last = _wait_for_evaluations(server, first + EVALUATIONS)
    return _cpu_s(server) - cpu_s, time.monotonic() - began, last - first


def _wait_for_evaluations(server: Server, count: float) -> float:
    deadline = time.monotonic() + PATIENCE_S + EVALUATIONS * INTERVAL_S
    while (done := _evaluations(server)) < count:
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.5)
    return done


def _evaluations(server: Server) -> float:
    return _metric(server, "prometheus_rule_group_duration_seconds_count")


def _metric(server: Server, name: str) -> float:
    """The sum over all labels; 0.0 if there is none."""
    text = httpx.get(f"{server.url}/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def _cpu_s(server: Server) -> float:
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- the banks


def _bank_us(*, light: bool) -> float:
    """Microseconds a series and minute on as many series, four rows a minute, one at a time."""
    step_s, warm, n = 60.0 / TICKS_PER_MINUTE, 240, 400
    values = 100.0 + 5.0 * np.random.default_rng(0).standard_normal((warm + n, SERIES))
    narrow, times = values.astype(np.float32), 1_700_000_000_000 + np.arange(len(values)) * round(step_s * 1000)
    if light:
        sparse = Light(SERIES, step_s)
        for row in range(warm):
            sparse.tick(int(times[row]), narrow[row])
        began = time.process_time()
        for row in range(warm, len(values)):
            sparse.tick(int(times[row]), narrow[row])
    else:
        bank = Bank(SERIES, step_s)
        bank.update(times[:warm], values[:warm])
        began = time.process_time()
        for row in range(warm, len(values)):
            bank.update(times[row : row + 1], values[row : row + 1])
    return (time.process_time() - began) / (n * SERIES) * TICKS_PER_MINUTE * 1e6
