"""An hour of pods that come and go, pulled and pushed: memory is bounded, and nobody is paged for a used number."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial

from aiops.detection.rules import DetectionRules
from aiops.detection.track import TrackRules
from aiops.model import Anomaly, Signal
from aiops.packs import Recipe, Selector
from aiops.packs._recipe import Pack
from aiops.pipeline import Shard, pieces
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.sources.prometheus import Timing
from aiops.sources.push import PushSettings, PushSource
from tests.sources._prometheus_world import shop
from tests.sources._push_wall import T0, ScriptEnded, Wall, samples, series

STEP_S = 15.0
HOUR = 240
PODS = 6
"""At once."""
LIFE = 60
"""Steps: long enough for an opinion of the bank, which comes after 50."""
AGE = LIFE // PODS
GONE = TrackRules(accept_s=60.0)
"""A pod that is missed is missed for a minute, not for days: what has a track is not let go."""
RULES = DetectionRules(
    page_budget_per_30d=100.0,
    evidence_budget_per_30d=100.0,
    track=GONE,
    evict_after_s=60.0,
    settle_s=0.0,
    light_evidence=True,
)
PAGING = Signal("latency", "latency", "s", "up", pages=True)
EVIDENCE = Signal("memory", "saturation", "", "both")
MOST_WAITING = (RULES.evict_after_s + 600.0) / STEP_S
"""Steps that a stopped pod may keep its numbers: it must be silent, then it is looked for."""
MOST = 2 + 2 * (PODS + int(MOST_WAITING / AGE) + 2)


STAYS = ({"job": "shop"}, lambda t: repr(1.0 + 0.01 * math.sin(t)))


def alive(step: int) -> Iterator[tuple[int, int]]:
    """Pods at a step, each with its age."""
    for pod in range(max(0, step // AGE - PODS + 1), step // AGE + 1):
        yield pod, step - pod * AGE


def value(pod: int, age: int) -> float:
    """Each pod has a level of its own, three times that of the one before it."""
    return float(3.0**pod * (1.0 + 0.05 * math.sin(pod * 7.1 + age * 1.3) + 0.01 * math.cos(age * 11.0)))


def recipe(signal: Signal) -> Recipe:
    return Recipe("t", signal, "gauge", Selector(signal.name), service=("job",), by=("pod",))


async def watched(source: object, batches: AsyncIterator[Batch]) -> tuple[Shard, list[Anomaly], list[int]]:
    """What comes of the batches, with the width of the table after each."""
    shard, found, widths = Shard(source, RULES), list[Anomaly](), list[int]()  # type: ignore[arg-type]
    async for batch in batches:
        for piece in pieces(batch):
            found += shard.feed(piece)
            shard.ask()
        widths.append(shard.source.table.width)
    return shard, found, widths


def check(shard: Shard, found: list[Anomaly], widths: list[int]) -> None:
    assert [anomaly for anomaly in found if anomaly.pages or anomaly.went != "absent"] == []
    pods = HOUR // AGE
    assert shard.evicted > pods, "two series of a pod, most of them gone by now"
    assert widths[-1] <= MOST < 2 * pods
    assert widths[-1] == widths[len(widths) // 2], "half an hour of churn needs no more room than the one before"
    assert shard.history.snapshot()["values"].shape[1] <= MOST * 5 // 4
    assert len(shard.detection.ensemble.bank) == widths[-1]
    told = shard.detection.snapshot()
    assert len(told["presence.seen_ms"]) == len(shard.source.table)


def test_pods_that_are_pushed() -> None:
    wall = Wall(T0)
    table = SeriesTable()
    source = PushSource(
        [Pack("t", "t", (), (recipe(PAGING), recipe(EVIDENCE)))],
        table,
        PushSettings(step_s=STEP_S, lookback_s=30.0, evict_after_s=60.0),
        clock=wall,
        wait=wall.wait,
    )

    def push(step: int) -> None:
        at_ms = T0 + round(step * STEP_S * 1000)
        wall.now_s = at_ms / 1000
        rows = [(series("latency", job="shop"), at_ms, value(0, step))]
        for pod, age in alive(step):
            labels = {"job": "shop", "pod": f"p{pod}"}
            rows += [(series(name, **labels), at_ms, value(pod, age)) for name in ("latency", "memory")]
        source.offer(samples(*rows))

    wall.script = [(lambda step=step: push(step)) for step in range(HOUR)]

    async def read() -> AsyncIterator[Batch]:
        try:
            async for batch in source.read(None):
                yield batch
        except ScriptEnded:
            return

    check(*asyncio.run(watched(source, read())))
    assert source.health.signals <= MOST


def test_pods_that_are_pulled() -> None:
    with shop() as world:
        world.recipes = [recipe(PAGING), recipe(EVIDENCE)]
        world.timing = Timing(step_s=STEP_S, history_s=0)
        begin_s = world.clock.now_s

        def text(pod: int, time_s: float) -> str | None:
            age = round((time_s - begin_s) / STEP_S) - pod * AGE
            return repr(value(pod, age)) if 0 <= age < LIFE else None

        pods = [({"job": "shop", "pod": f"p{pod}"}, partial(text, pod)) for pod in range(HOUR // AGE)]
        world.fake.series |= {signal.name: [*pods, STAYS] for signal in (PAGING, EVIDENCE)}

        async def read() -> AsyncIterator[Batch]:
            source = world.build()
            async with aclosing(source.read(None)) as batches:
                async for batch in batches:
                    yield batch
                    if batch.position >= (begin_s + HOUR * STEP_S) * 1000:
                        break
            await source.client.aclose()

        check(*asyncio.run(watched(world.build(), read())))
