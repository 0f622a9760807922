"""The pulled source against a real Prometheus."""

import asyncio
import math
import shutil
import subprocess
import time

import numpy as np
import pytest

from aiops.errors import Refused, Unavailable
from aiops.model import Signal
from aiops.packs import Recipe, Selector
from aiops.packs.promql import query
from aiops.secret import Secret
from aiops.series import SeriesTable
from aiops.sources.prometheus import Connection, Patience, PrometheusClient, PrometheusSource, Timing
from tests.services._aiops_process import free_port, wait_for
from tests.services._servers import program, prometheus_server

pytestmark = pytest.mark.service

QUIET = "global: {scrape_interval: 1h}\n"
ITSELF = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs: [{{job_name: prom, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]
rule_files: [rules.yaml]
"""
RULES = """\
groups: [{name: test, rules: [{alert: Always, expr: vector(1), labels: {service: shop/cart, severity: page}}]}]
"""
# bcrypt of the password "test", cost 12, as in the documentation of Prometheus' web configuration.
WEB = """\
basic_auth_users: {admin: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}
tls_server_config: {cert_file: cert.pem, key_file: key.pem}
"""
STEP_S = 15


def memory(job="job"):
    return Recipe(
        "test", Signal("memory_bytes", "saturation"), "gauge", Selector("process_resident_memory_bytes"), service=(job,)
    )


def backfilled(folder, rows, end_s):
    """Two hours and more of known samples, written as blocks before the server starts."""
    lines = ["# TYPE shop gauge"]
    lines += [f'shop{{service="cart"}} {value(end_s - k * STEP_S)!r} {end_s - k * STEP_S}' for k in range(rows, -1, -1)]
    odd = ["NaN", "+Inf", "-Inf", "1e-300", "-0.0", "1.5e+25", "123456789012345680"]
    lines += [f'shop{{service="odd"}} {odd[k % 7]} {end_s - k * STEP_S}' for k in range(rows, -1, -1)]
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def value(time_s):
    return math.sin(time_s / 1000) / 7


def run(server, do, **settings):
    async def go():
        client = PrometheusClient(Connection(server.url, **settings))
        try:
            return await do(client)
        finally:
            await client.aclose()

    return asyncio.run(go())


def source(client, recipes, **timing):
    return PrometheusSource(
        "prom",
        client,
        recipes,
        SeriesTable(),
        query_of=lambda r: query(r, 60),
        timing=Timing(**timing),
        patience=Patience(wait_s=0.1, longest_wait_s=0.5),
    )


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """A server with 20,000 known steps, the last one a minute ago."""
    folder, end_s = tmp_path_factory.mktemp("past"), int(time.time()) // 60 * 60 - 60
    server = prometheus_server(folder, QUIET, "--query.max-samples=30000", "--query.lookback-delta=14s")
    backfilled(folder, 20_000, end_s)
    server.start()
    yield server, end_s
    server.stop()


def test_the_past_is_read_exactly_over_all_limits_of_the_server(past):
    server, end_s = past
    start_s = end_s - 20_000 * STEP_S

    async def read(client):
        return await client.ranges.read(["shop"], start_s * 1000, end_s * 1000, STEP_S)

    (found,) = run(server, read)
    column = dict(zip((dict(labels)["service"] for labels in found.labels), found.values.T, strict=True))
    assert found.values.shape == (20_001, 2)
    assert column["cart"].tolist() == [value(t / 1000) for t in found.times.tolist()]
    kinds = {float(v) for v in column["odd"] if np.isfinite(v)}
    assert kinds == {1e-300, 0.0, 1.5e25, 123456789012345680.0}
    assert found.counts["infinite"] == pytest.approx(20_001 * 2 / 7, abs=2)


def test_replay_of_the_past_gives_every_step_once(past):
    server, end_s = past
    recipe = Recipe("test", Signal("shop", "traffic"), "gauge", Selector("shop"))

    async def replay(client):
        one = source(client, [recipe], step_s=STEP_S)
        return [b async for b in one.read_range((end_s - 86_400) * 1000, end_s * 1000)], one

    batches, one = run(server, replay)
    times = np.concatenate([b.blocks[0].times for b in batches])
    values = np.concatenate([b.blocks[0].values for b in batches])
    assert times.tolist() == list(range((end_s - 86_400) * 1000, end_s * 1000 + 1, STEP_S * 1000))
    assert values[:, 0].tolist() == [value(t / 1000) for t in times.tolist()]
    assert [one.table.key(k).service for k in range(2)] == ["cart", "odd"]


def test_what_the_server_refuses_is_told_in_its_words(past):
    server, end_s = past

    async def read(client):
        wrong = ["sum(", "label_replace(shop, 'service', 'same', 'service', '.*')"]
        answers = await client.ranges.read(wrong, end_s * 1000, end_s * 1000, STEP_S)
        with pytest.raises(Refused, match=r"HTTP 400: .*parse error"):
            await client.instant("sum(")
        return answers

    bad, equal = run(server, read)
    assert isinstance(bad, Refused)
    assert "HTTP 400: " in str(bad)
    assert "parse error: unclosed left parenthesis" in str(bad)
    assert isinstance(equal, Refused)
    assert "HTTP 422: " in str(equal)
    assert "same labelset" in str(equal)


def test_names_values_and_samples_are_discovered(past):
    server, end_s = past

    async def discover(client):
        # Names of series older than the head are only listed for a period that has them: the default is everything.
        names, values = await client.metric_names(), await client.label_values("service", "shop")
        return names, values, await client.instant("shop", end_s)

    names, values, samples = run(server, discover)
    assert names == ["shop"]
    assert values == ["cart", "odd"]
    assert len(samples) == 2
    assert samples[0].value == value(end_s)
    assert math.isnan(samples[1].value)


def scraping_itself(prometheus, tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    port = free_port()
    return prometheus(ITSELF.format(port=port), folder=tmp_path, port=port)


def test_live_steps_go_on_through_a_restart_of_the_server(prometheus, tmp_path):
    server = scraping_itself(prometheus, tmp_path)

    async def live(client):
        one = source(client, [memory()], step_s=1, history_s=0, lateness_s=2)
        stream = one.read(None)
        batches = [await anext(stream)]
        while not batches[-1].blocks or not np.isfinite(batches[-1].blocks[0].values).all():
            batches.append(await anext(stream))
        await asyncio.to_thread(server.stop)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(wait_for, lambda: not one.health.up, 20.0, lambda: "not noticed")
        down = one.health
        await asyncio.to_thread(server.start)
        batches.append(await waiting)
        batches += [await anext(stream) for _ in range(2)]
        await stream.aclose()
        return batches, down, one

    batches, down, one = run(server, live)
    times = [t for b in batches for block in b.blocks for t in block.times.tolist()]
    assert times == list(range(times[0], times[-1] + 1, 1000))
    assert down.last_error == f"{server.url} did not answer: nothing listens there"
    assert one.health.up
    assert one.table.key(0).service == "prom"
    assert np.isfinite(batches[-1].blocks[0].values).all()
    assert time.time() - batches[-1].position / 1000 < 5


def test_alerts_of_the_past_become_events(prometheus, tmp_path):
    began_ms = int(time.time()) * 1000
    server = scraping_itself(prometheus, tmp_path)

    async def firing(client):
        return await source(client, [memory()], step_s=1).alerts(began_ms - 60_000, int(time.time()) * 1000)

    wait_for(lambda: run(server, firing), 20.0, lambda: "no alert")
    (event,) = run(server, firing)
    assert (event.status, event.service, event.description, event.kind) == ("firing", "cart", "Always", "alert")
    assert event.labels == (("alertname", "Always"), ("service", "shop/cart"), ("severity", "page"))
    assert began_ms <= event.time_ms <= time.time() * 1000


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_server_behind_tls_and_a_password_is_read_and_a_wrong_password_refused(prometheus, tmp_path):
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem"]
    subprocess.run([*make, "-out", "cert.pem", *subject], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "web.yaml").write_text(WEB, encoding="utf-8")
    ca_file = tmp_path / "cert.pem"
    server = prometheus(QUIET, "--web.config.file=web.yaml", folder=tmp_path, ca_file=ca_file)

    async def ask(client):
        (found,) = await client.ranges.read(["vector(3)"], 0, 0, 1)
        if isinstance(found, Exception):
            raise found
        return found.values.tolist(), [s.value for s in await client.instant("vector(4)")]

    right = {"user": "admin", "password": Secret("test"), "ca_file": ca_file}
    assert run(server, ask, **right) == ([[3.0]], [4.0])
    with pytest.raises(Refused, match="HTTP 401"):
        run(server, ask, **{**right, "password": Secret("wrong")})
    with pytest.raises(Unavailable, match="its certificate is not accepted: self-signed"):
        run(server, ask, user="admin", password=Secret("test"))
