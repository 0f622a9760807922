"""The shop's samples through the real push source, detection, triage and ranker, at event time."""

import asyncio

import numpy as np
import pytest

from aiops.demo.encode import HEADERS, encode_block, key_of
from aiops.demo.exporters import Exporters
from aiops.demo.feed import event_of
from aiops.demo.shop import Shop
from aiops.demo.story import story
from aiops.demo.topology import CALLS
from aiops.model import Event
from aiops.packs.load import built_in
from aiops.pipeline import Pipeline, Shard
from aiops.runners.replay import Replay
from aiops.series import SeriesTable
from aiops.sources.push import PushSettings, PushSource
from aiops.triage import Triage
from rca import ServiceGraph, default_ranker

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
AFTER_MINUTES = 30
STEPS_PER_BODY = 60


def replayed(plan, *, faults, seed):
    packs, heard_ms = built_in(), [plan.start_ms]
    source = PushSource(
        [packs[name] for name in ("otel_http", "servicegraph", "kubernetes", "rabbitmq")],
        SeriesTable(),
        PushSettings(step_s=60),
        history_before_ms=plan.now_ms - HOUR_MS,
        clock=lambda: heard_ms[0] / 1000,  # as live: the wall clock is where the data is
    )
    triage = Triage()
    triage.graph = ServiceGraph([(c.caller, c.callee) for c in CALLS])
    shard = Shard(source)
    deploys = [Event(str(i), d.time_ms, d.service, "deploy", d.version) for i, d in enumerate(plan.deploys)]
    replay = Replay(Pipeline([shard], triage), default_ranker().rank, deploys)
    asyncio.run(_push_all(replay, shard, plan, faults=faults, seed=seed, heard_ms=heard_ms))
    return replay.result


async def _push_all(replay, shard, plan, *, faults, seed, heard_ms):
    shop = Shop(seed=seed, start_ms=plan.start_ms, faults=faults)
    exporters = Exporters(seed=seed, restarts=plan.restarts)
    keys = [key_of(labels) for labels in exporters.labels]
    steps = (plan.now_ms - plan.start_ms) // MINUTE_MS + AFTER_MINUTES
    last_ms = plan.start_ms + MINUTE_MS * (steps - 3)

    async def consume():
        async for batch in shard.source.read(None):
            replay.take(shard, batch)
            if batch.position >= last_ms:
                return

    reader = asyncio.create_task(consume())
    first = 0
    while first < steps:
        is_past = plan.start_ms + MINUTE_MS * first < plan.live_ms
        size = min(STEPS_PER_BODY if is_past else 1, steps - first)
        times = plan.start_ms + MINUTE_MS * np.arange(first, first + size)
        body = encode_block(keys, times, exporters.read(shop.take(size)))
        heard_ms[0] = int(times[-1])
        shard.source.write(body, HEADERS)
        first += size
        await asyncio.sleep(0 if is_past else 0.001)
    await asyncio.wait_for(reader, 60)


@pytest.mark.parametrize(("now_ms", "seed"), [(1_794_998_520_000, 7), (1_798_935_540_000, 23)])  # Wed 11 h, Sun 1 h UTC
def test_only_the_bad_deploy_makes_an_incident_and_is_named_first(now_ms, seed):
    plan = story(now_ms, seed=seed, history_days=4)
    result = replayed(plan, faults=plan.faults, seed=seed)
    (incident,) = result.incidents.values()
    (bad,) = [f for f in plan.faults if f.size == 1.0]
    suspect = incident.ranking.suspects[0]
    assert (suspect.service, suspect.kind) == ("payments", "deploy")
    assert suspect.change is not None
    assert (suspect.change.time_ms, suspect.change.description) == (bad.start_ms, "v2.31.0")
    assert 0 <= incident.started_ms - bad.start_ms <= 3 * MINUTE_MS
    assert [n.reason for n in result.notifications] == ["opened", "resolved"]
    assert incident.resolved_ms >= bad.end_ms


def test_the_same_days_without_the_bad_deploy_stay_silent():
    plan = story(1_794_998_520_000, history_days=4)
    result = replayed(plan, faults=tuple(f for f in plan.faults if f.size < 1.0), seed=7)
    assert result.incidents == {}
    assert result.notifications == []


def test_an_event_says_what_a_person_needs_to_find_the_deploy():
    (bad,) = [d for d in story(1_794_998_520_000).deploys if d.version == "v2.31.0"]
    assert event_of(bad) == {
        "time": "2026-11-18T10:12:00Z",
        "service": "payments",
        "kind": "deploy",
        "description": "payments v2.31.0: new card validation",
        "url": "https://ci.example.invalid/payments/v2.31.0",
    }
