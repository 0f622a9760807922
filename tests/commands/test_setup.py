"""`check-config`, `init`, `score`, `run` and the page of settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aiops.errors import ConfigError, InputError
from aiops.packs.load import load_all
from aiops.packs.promql import count_query
from tests.sources._fake_prometheus import FakePrometheus, serve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fake():
    fake = FakePrometheus()
    stop = serve(fake)
    yield fake
    stop()


def written(tmp_path, text):
    path = tmp_path / "aiops.yaml"
    path.write_text(text)
    return path


def test_a_good_configuration_is_said_to_be_fine_and_what_it_means(aiops, tmp_path):
    (tmp_path / "graph.yaml").write_text("edges: {a: [b]}\n")
    path = written(
        tmp_path,
        "prometheus: [{url: 'http://p:9090', packs: [istio]}, {url: 'http://q:9090'}]\ngraph: {file: graph.yaml}\n",
    )
    told = aiops("check-config", path).stdout
    assert f"{path}: fine" in told
    assert "pull: http://p:9090 every 30 s, istio, 3 days to learn from" in told
    assert "pull: http://q:9090 every 30 s, the packs that match" in told
    assert "push: remote_write on http://127.0.0.1:8080/api/v1/write, every 30 s" in told
    assert "at most: p:9090 100,000 series, 100,000 of them in the full bank: 381 MiB of memory and 0.13%" in told
    assert "at most: push 100,000 series" in told
    few = aiops("check-config", written(tmp_path, "limits: {max_series: 3000, max_full_series: 1000}")).stdout
    assert "at most: push 3,000 series, 1,000 of them in the full bank" in few
    assert "tells: console" in told
    assert "tells: nobody" in aiops("check-config", written(tmp_path, "notifiers: []\npush: {enabled: false}")).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "nonsense"),
        ("push: {packs: [nope]}", "there is no pack 'nope'"),
        ("graph: {file: none.yaml}", "names a file that is missing: none.yaml"),
        ("graph: {file: aiops.yaml}", "edges"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_rule(aiops, tmp_path, text, said):
    result = aiops("check-config", written(tmp_path, text))
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


def test_init_writes_a_configuration_that_check_takes_and_overwrites_only_by_force(aiops, fake, tmp_path):
    for recipe in load_all()["go"].recipes:
        name = recipe.of.metric
        fake.series[name] = [({"__name__": name, "job": "shop"}, lambda _: "1")]
        fake.series[count_query(recipe, 120)] = [({"aiops_service": "shop"}, lambda _: "1")]
    path = tmp_path / "new.yaml"
    told = aiops("init", "--prometheus", fake.url, "--output", path)
    assert told.exit_code == 0, told.exception
    assert f"Next: aiops run --config {path}" in told.stdout
    assert "fine" in aiops("check-config", path).stdout
    path.write_text("mine")
    again = aiops("init", "--prometheus", fake.url, "--output", path)
    assert "--force overwrites it" in str(again.exception)
    assert path.read_text() == "mine"


def test_init_writes_nothing_where_nothing_can_be_watched(aiops, fake, tmp_path):
    fake.series["strange"] = [({"__name__": "strange"}, lambda _: "1")]
    result = aiops("init", "--prometheus", fake.url, "--output", tmp_path / "new.yaml")
    assert isinstance(result.exception, InputError)
    assert "nothing to watch" in str(result.exception)
    assert not (tmp_path / "new.yaml").exists()


def test_a_file_is_scored(aiops, tmp_path):
    rows = "\n".join(f"{1_700_000_000 + 60 * i},{i % 7}" for i in range(50))
    (tmp_path / "in.csv").write_text(f"timestamp,value\n{rows}\n")
    assert aiops("score", tmp_path / "in.csv", "--output", tmp_path / "out.csv").exit_code == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].replace('"', "") == "series,timestamp,score,expected,lower,upper,page"
    assert len(lines) == 51


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_cleanly(tmp_path, number):
    path = written(tmp_path, "listen: {port: 0}\nnotifiers: []\n")
    running = subprocess.Popen(
        [sys.executable, "-m", "aiops", "run", "--config", str(path)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert running.stderr is not None
    seen = []
    for line in running.stderr:
        seen.append(line)
        if "listening" in line:
            running.send_signal(number)
    assert running.wait(30) == 0
    running.stderr.close()
    assert any("stopped" in line for line in seen)
    assert not any("Traceback" in line for line in seen)
