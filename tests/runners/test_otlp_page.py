"""From OTLP requests of an SDK to one page: restarts of its counters are no news, failing requests are."""

import asyncio

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from aiops.packs.load import built_in
from aiops.pipeline import Pipeline, Shard
from aiops.runners.replay import Replay
from aiops.series import SeriesTable
from aiops.sources.otlp import OtlpReader
from aiops.sources.push import PushSettings, PushSource
from aiops.triage import Triage
from rca import default_ranker
from tests.sources._otlp_world import CUMULATIVE, DELTA, PROTOBUF, key_values, request

STEP_MS = 60_000
T0 = 1_794_960_000_000
STEPS = 1530
RESTARTS = (300, 700, 1100, 1460)
"""Steps at which the process starts anew; the last one while it is watched."""
HISTORY_STEPS = 1440
FAILS = slice(1470, 1485)
LIVE_MS = T0 + HISTORY_STEPS * STEP_MS


def requests_by_step() -> np.ndarray:
    """(step, status) of 200 and 500: a share of 1 % fails, then 30 %."""
    rng = np.random.default_rng(5)
    total = rng.poisson(600, STEPS)
    share = np.full(STEPS, 0.01)
    share[FAILS] = 0.3
    failed = rng.binomial(total, share)
    return np.stack([total - failed, failed], axis=1)


def bodies(temporality: int):
    """One request a step, as an SDK's periodic reader sends it."""
    grown = requests_by_step()
    born = 0
    for step in range(STEPS):
        if step in RESTARTS:
            born = step
        since = step if temporality == DELTA else born
        metric = Metric(name="http.server.request.duration", unit="s")
        metric.histogram.aggregation_temporality = temporality
        for status, count in zip((200, 500), grown[since : step + 1].sum(axis=0).tolist(), strict=True):
            point = metric.histogram.data_points.add(
                count=count,
                sum=0.05 * count,
                time_unix_nano=(T0 + STEP_MS * (step + 1)) * 10**6,
                start_time_unix_nano=(T0 + STEP_MS * since) * 10**6,
            )
            point.explicit_bounds.extend([0.1])
            point.bucket_counts.extend([count, 0])
            key_values(point.attributes, {"http.response.status_code": status})
        yield T0 + STEP_MS * (step + 1), request(metric).SerializeToString()


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA], ids=["cumulative", "delta"])
def test_failing_requests_are_one_incident_and_restarts_are_none(temporality):
    now_ms = [T0]
    source = PushSource(
        [built_in()["otel_http"]],
        SeriesTable(),
        PushSettings(step_s=STEP_MS / 1000),
        history_before_ms=LIVE_MS,
        clock=lambda: now_ms[0] / 1000,
    )
    shard, reader = Shard(source), OtlpReader(source.offer)
    replay = Replay(Pipeline([shard], Triage()), default_ranker().rank, [])

    async def consume():
        async for batch in source.read(None):
            replay.take(shard, batch)
            if batch.position >= T0 + STEP_MS * (STEPS - 3):
                return

    async def story():
        consumer = asyncio.create_task(consume())
        for time_ms, body in bodies(temporality):
            now_ms[0] = time_ms
            taken = reader.take(body, PROTOBUF, source.health.closed_ms)
            assert not taken.rejected
            await asyncio.sleep(0.001 if time_ms > LIVE_MS else 0)
        await asyncio.wait_for(consumer, 60)

    asyncio.run(story())
    (incident,) = replay.result.incidents.values()
    assert incident.services == ("cart",)
    fails_ms = T0 + STEP_MS * (FAILS.start + 1)
    assert 0 <= incident.started_ms - fails_ms <= 2 * STEP_MS
    assert {anomaly.series.signal for anomaly in incident.anomalies} >= {"error_ratio"}
    assert [note.reason for note in replay.result.notifications] == ["opened", "resolved"]
