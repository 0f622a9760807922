"""Services that come and go in one partition, pulled and pushed: those that stopped are let go while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.rules import DetectionRules
from aiops.detection.track import TrackRules
from aiops.kafka.frames import Frame, Rows, rows_of
from aiops.kafka.partition import Partition
from aiops.model import Block, SeriesKey, Signal
from aiops.sources._pushed_samples import key_of
from aiops.sources.push import PushSettings
from tests.kafka._log import setup

STEP_MS = 60_000
BEGAN_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
STEPS = 480
LIFE, EVERY = 40, 10
"""Steps that a service lives, and after which the next one comes: four at once, the first one stays for ever."""
RULES = DetectionRules(evict_after_s=1800.0, track=TrackRules(accept_s=60.0), settle_s=0.0)
MOST = 1 + LIFE // EVERY + (30 + 10 + 10) // EVERY + 2
"""Those that are there, are silent for half an hour, or wait up to ten minutes to be looked for, or for a late row."""
SETUP = replace(setup(1), rules=RULES, push=PushSettings(step_s=60, lookback_s=120, evict_after_s=600))
SIGNAL = Signal("latency_p95", "latency", "s")
MOST_READ_AGAIN = 12
"""Messages of a minute each: the lookback, and the lateness, and some."""
COMES_BACK, AT = 2, 300
"""A service that has long been let go of, and when it is there again."""


def alive(step):
    pods = [0, *(pod for pod in range(1, step // EVERY + 1) if step < pod * EVERY + LIFE)]
    return [*pods, COMES_BACK] if step >= AT else pods


def level(pod, step):
    """Each has a level that nobody else comes near."""
    return 100.0 * (pod + 1) + float(np.random.default_rng((pod, step)).uniform(-10, 10))


def pulled(step):
    """A row of all columns that the reader has numbered so far: it names each once, and keeps those that stopped."""
    pods = range(step // EVERY + 1)
    values = [level(pod, step) if pod in alive(step) else np.nan for pod in pods]
    new = tuple((SeriesKey("latency_p95", f"pod{pod}"), SIGNAL) for pod in pods if step == pod * EVERY)
    at_ms = BEGAN_MS + step * STEP_MS
    block = Block(np.array([at_ms]), np.arange(len(pods), dtype=np.int32), np.array([values]))
    return Rows(7, "prom", 60.0, at_ms, False, len(pods) - len(new), new, rows_of(block))


def pushed(step):
    pods, at_ms = alive(step), BEGAN_MS + step * STEP_MS
    names = [(("__name__", "http_server_active_requests"), ("job", f"pod{pod}")) for pod in range(step // EVERY + 1)]
    new = tuple(key_of(one) for one in names[-1:]) if step % EVERY == 0 else ()
    values = np.array([level(pod, step) for pod in pods])
    return Frame(9, len(names) - len(new), new, np.array(pods, np.int32), np.full(len(pods), at_ms), values)


async def lived(message, source, restarts):
    """The shard at the end, and the width of its table after each step."""
    one, widths, evicted, step = Partition(0, SETUP, BEGAN_MS), [], 0, 0
    restarts = list(restarts)
    while step < STEPS:
        await one.take(step, BEGAN_MS + step * STEP_MS, message(step))
        step += 1
        shard = next(shard for shard in one.shards if shard.name == source)
        widths.append(shard.source.table.width)
        if restarts and step == restarts[0]:
            evicted += shard.evicted
            data, again = one.snapshot(), one.again_from(step)
            assert step - MOST_READ_AGAIN <= again <= step
            step = again
            await one.close()
            restarts.pop(0)
            one = Partition.restored(0, SETUP, data)
    assert one.lost == 0
    await one.close()
    return shard, widths, evicted + shard.evicted


@pytest.mark.parametrize(("message", "source"), [(pulled, "prom"), (pushed, "push")])
@pytest.mark.parametrize("restarts", [(), (155, 156, 317)])
def test_numbers_are_used_again_and_each_series_has_its_own_past(message, source, restarts):
    shard, widths, evicted = asyncio.run(lived(message, source, restarts))
    table, (_, values) = shard.source.table, shard.history.window(BEGAN_MS, 2**62)
    held = {key.service: number for number, key, _ in table.numbered()}
    assert {f"pod{pod}" for pod in alive(STEPS - 1)} <= held.keys()
    assert evicted >= (STEPS - LIFE) // EVERY - MOST
    assert max(widths) <= MOST < STEPS // EVERY
    assert len(shard.detection.snapshot()["presence.seen_ms"]) == len(table)
    for service, number in held.items():
        column = values[:, number]
        seen = np.unique(np.round(column[np.isfinite(column)] / 100.0) - 1).tolist()
        assert seen == [int(service.removeprefix("pod"))], service
