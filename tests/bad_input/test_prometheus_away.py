"""A Prometheus that is not there at the start, comes, goes and comes back; alerts get through all the while."""

import httpx
import pytest

from tests.bad_input._told import opened, post_alert, scraped, settings
from tests.services._aiops_process import AiopsProcess, free_port, wait_for
from tests.services._servers import prometheus_server

pytestmark = pytest.mark.service

ITSELF = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: [{{job_name: prom, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]
"""
PULL = "prometheus: [{{url: 'http://127.0.0.1:{port}', name: main, step_s: 1, window_s: 4, history_days: 0.01}}]\n"


@pytest.fixture
def prometheus(tmp_path):
    """A Prometheus that watches itself, not started yet."""
    port = free_port()
    server = prometheus_server(tmp_path / "prometheus", ITSELF.format(port=port), port=port)
    yield server
    server.stop()


@pytest.fixture
def pulling(tmp_path, receiver, prometheus):
    text = PULL.format(port=prometheus.port) + settings(tmp_path, receiver)
    with AiopsProcess(tmp_path, text) as service:
        wait_for(lambda: service.answers("/-/healthy"), 180, service.log_tail)
        yield service


def up(service):
    return scraped(service.url, "aiops_source_up", source="main")


def is_away(service):
    answer = httpx.get(f"{service.url}/-/ready", timeout=10.0)
    return answer.status_code == 503 and "main: " in answer.text and up(service) == 0


def is_there(service):
    return service.answers("/-/ready") and up(service) == 1


def log(service):
    return (service.folder / "aiops.log").read_text(encoding="utf-8")


def told(service, receiver, island):
    assert post_alert(service.url, island).status_code == 202
    wait_for(lambda: island in opened(receiver), 30, service.log_tail)


def test_a_prometheus_that_is_away_is_waited_for_said_and_holds_up_no_alert(pulling, receiver, prometheus):
    wait_for(lambda: is_away(pulling), 30, pulling.log_tail)
    wait_for(lambda: "source cannot be reached" in log(pulling), 30, pulling.log_tail)
    told(pulling, receiver, "island-0")
    prometheus.start()
    wait_for(lambda: is_there(pulling), 90, pulling.log_tail)
    wait_for(lambda: scraped(pulling.url, "aiops_watched_series", source="main") > 0, 60, pulling.log_tail)
    prometheus.stop()
    wait_for(lambda: is_away(pulling), 60, pulling.log_tail)
    told(pulling, receiver, "island-1")
    taken = scraped(pulling.url, "aiops_samples_total", source="main")
    prometheus.start()
    wait_for(lambda: is_there(pulling), 90, pulling.log_tail)
    wait_for(lambda: scraped(pulling.url, "aiops_samples_total", source="main") > taken, 60, pulling.log_tail)
    assert pulling.terminate(limit_s=30) == 0
    assert "Traceback" not in log(pulling)
    assert "urllib3" not in log(pulling), "each failure is told once, by us"
