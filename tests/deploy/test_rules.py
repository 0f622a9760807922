"""What the alerts about the service itself fire on, asked of Prometheus' own tool for testing rules."""

import json
from pathlib import Path

import pytest

from tests.deploy.test_deploy_files import accepted_by

RULES = Path(__file__).parent.parent.parent / "deploy" / "rules.yml"

pytestmark = pytest.mark.service


def check(folder, series, minute, fires):
    """Hold the alerts about sources that fire at a minute to `fires`: pairs of an alert and its labels."""
    told = {name: [] for name in ("AiopsDown", "AiopsSourceDown", "AiopsSourceNeverHeard")}
    for name, labels, summary in fires:
        said = {"severity": "warning", "job": "aiops", **labels}
        told[name].append({"exp_labels": said, "exp_annotations": {"summary": summary}})
    alerts = [{"eval_time": f"{minute}m", "alertname": name, "exp_alerts": said} for name, said in told.items()]
    given = [{"series": 'up{job="aiops"}', "values": "1x60"}]
    given += [{"series": f"aiops_{name}", "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": given, "alert_rule_test": alerts}
    path = folder / "test.yml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    accepted_by("promtool", "test", "rules", path)


def of(name, source, instance="one"):
    return f'{name}{{job="aiops",instance="{instance}",source="{source}"}}'


def never(source, instance="one"):
    said = f"Source {source} has given no data since the start; check its address, /-/ready says why."
    return ("AiopsSourceNeverHeard", {"source": source, "instance": instance}, said)


@pytest.mark.parametrize(("minute", "fires"), [(9, []), (12, [never("prom")])])
def test_a_source_that_is_asked_and_never_gave_a_sample_is_told_of(tmp_path, minute, fires):
    series = {
        of("source_waiting", "prom"): "1x60",
        of("source_up", "prom"): "0x60",
        of("samples_total", "prom"): "0x60",
    }
    check(tmp_path, series, minute, fires)


def test_a_source_that_gave_its_first_sample_in_time_is_not(tmp_path):
    series = {
        of("source_waiting", "prom"): "1x8 0x50",
        of("source_up", "prom"): "0x8 1x50",
        of("samples_total", "prom"): "0x8 1+1x50",
    }
    check(tmp_path, series, 30, [])


def test_a_push_that_nobody_uses_is_not_told_of_and_one_that_stopped_is(tmp_path):
    series = {of("source_up", "push"): "0x60", of("samples_total", "push"): "0x60"}
    check(tmp_path, series, 30, [])
    said = "Source push gives no data; /-/ready says why."
    series = {of("source_up", "push"): "1x10 0x50", of("samples_total", "push"): "1+1x10 11x50"}
    check(tmp_path, series, 30, [("AiopsSourceDown", {"source": "push", "instance": "one"}, said)])


def test_of_workers_only_the_one_that_reads_the_source_tells_of_it(tmp_path):
    series = {
        of("source_waiting", "prom", "gateway-1"): "1x60",
        of("source_waiting", "prom", "gateway-2"): "0x60",
        # One that detects has announced a source of which it has no partition any more, or has not had a row yet.
        of("source_up", "prom", "detect-1"): "1x60",
        of("samples_total", "prom", "detect-1"): "0x60",
    }
    check(tmp_path, series, 30, [never("prom", "gateway-1")])
    series[of("source_waiting", "prom", "gateway-1")] = "0x60"
    check(tmp_path, series, 30, [])
