from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiops.errors import StoreError
from aiops.kafka.frames import Answer, Edges, Found, Frame, Question, Rows, rows_of
from aiops.kafka.partition import Partition
from aiops.kafka.topics import partition_of
from aiops.model import Block, SeriesKey, Signal
from aiops.packs.load import built_in
from aiops.sources._pushed_watch import Watchlist
from tests.kafka._log import MINUTE_MS, Log, fed, plan_of, run, setup, shop_log

PARTITIONS = 2
PAYMENTS = partition_of("payments", PARTITIONS)


@pytest.fixture(scope="module")
def plan():
    return plan_of()


@pytest.fixture(scope="module")
def log(plan) -> Log:
    return run(shop_log(plan, PARTITIONS, plan.now_ms))


def told(said):
    """Names and ends of anomalies; their words may speak of the end of a batch."""
    return [
        (a.id, a.series, a.started_ms, a.updated_ms, a.ended_ms, a.value)
        for one in said
        if isinstance(one, Found)
        for a in one.anomalies
    ]


async def whole(log, number=PAYMENTS):
    partition = Partition(number, setup(PARTITIONS), log.messages[number][0][0])
    said = await fed(partition, log)
    await partition.close()
    return said


def test_the_bad_deploy_is_found_in_the_partition_of_its_service_and_nowhere_else(log):
    said = run(whole(log))
    services = {series.service for _, series, *_ in told(said)}
    assert "payments" in services
    assert {partition_of(service, PARTITIONS) for service in services} == {PAYMENTS}


def test_reading_again_says_the_same_again(log):
    assert told(run(whole(log))) == told(run(whole(log)))


@pytest.mark.parametrize(("share", "more_packs"), [(0.5, ()), (0.9, ("go",)), (0.97, ())])
def test_a_snapshot_and_what_comes_after_it_say_what_one_reading_says(log, share, more_packs, monkeypatch):
    """However far: the worker dies after the snapshot, and another one begins where it must.

    Only with other packs label sets are looked into again: there are hundreds of thousands of them.
    """
    anew = replace(setup(PARTITIONS), packs=(*setup(PARTITIONS).packs, *(built_in()[name] for name in more_packs)))
    looked_into, uses = [], Watchlist.uses

    def counted(watch, labels):
        looked_into.append(labels)
        return uses(watch, labels)

    async def story():
        messages = log.messages[PAYMENTS]
        cut = int(len(messages) * share)
        first = Partition(PAYMENTS, setup(PARTITIONS), messages[0][0])
        before = await fed(first, log, 0, cut)
        data, again = first.snapshot(), first.again_from(cut)
        await first.close()
        second = Partition.restored(PAYMENTS, anew, data)
        monkeypatch.setattr(Watchlist, "uses", counted)
        after = await fed(second, log, again)
        await second.close()
        assert bool(looked_into) == bool(more_packs)
        assert 0 < again <= cut
        assert second.lost == 0
        return before, after

    before, after = run(story())
    seen = told(before)
    assert [*seen, *[one for one in told(after) if one not in seen]] == told(run(whole(log)))


def test_rows_before_the_last_hour_of_the_first_message_only_teach(log, plan):
    async def story():
        partition = Partition(PAYMENTS, setup(PARTITIONS), plan.live_ms)
        said = await fed(partition, log)
        await partition.close()
        return said

    said = run(story())
    first_told = min(started for _, _, started, *_ in told(said))
    assert first_told >= plan.live_ms - 60 * MINUTE_MS


def test_calls_are_said_by_the_partition_of_the_caller(log):
    edges = {edge[:2] for one in run(whole(log)) if isinstance(one, Edges) for edge in one.edges}
    assert edges
    assert {partition_of(caller, PARTITIONS) for caller, _ in edges} == {PAYMENTS}


def test_samples_of_the_first_message_count_also_after_a_restart(log):
    """They were taken for samples of the future: the clock stood at the message before."""

    async def dropped(partition, start):
        await fed(partition, log, start, start + 1)
        await partition.close()
        return dict(partition._push.health.dropped)

    async def story():
        began = Partition(PAYMENTS, setup(PARTITIONS), log.messages[PAYMENTS][0][0])
        await fed(began, log, 0, 5)
        restored = Partition.restored(PAYMENTS, setup(PARTITIONS), began.snapshot())
        await began.close()
        return began._push.health.dropped, await dropped(restored, 5)

    for counts in run(story()):
        assert counts.get("future", 0) == 0


def test_the_first_calls_are_said_as_soon_as_they_are_seen(log):
    """Until then triage takes all services for neighbours."""

    async def story():
        partition = Partition(PAYMENTS, setup(PARTITIONS), log.messages[PAYMENTS][0][0])
        first_ms = log.messages[PAYMENTS][0][0]
        assert await partition.take(0, first_ms - 2_000, None) == []
        said = await fed(partition, log, 0, 1)
        await partition.close()
        return said

    assert any(isinstance(one, Edges) for one in run(story()))


def test_a_question_is_answered_with_recent_rows_of_the_services_that_matter(log, plan):
    async def story():
        partition = Partition(PAYMENTS, setup(PARTITIONS), log.messages[PAYMENTS][0][0])
        await fed(partition, log)
        far = tuple(sorted({key.service for key, _ in (await answer(partition, ())).columns} - {"payments"}))
        near = await answer(partition, far)
        await partition.close()
        return far, near

    async def answer(partition, far):
        (one,) = [
            a
            for a in await partition.take(10**6, plan.now_ms, Question("q", far, plan.now_ms))
            if isinstance(a, Answer)
        ]
        return one

    far, near = run(story())
    assert far
    assert {key.service for key, _ in near.columns} == {"payments"}
    assert near.values.shape == (len(near.times), len(near.columns))
    assert near.times[-1] <= plan.now_ms
    assert np.isfinite(near.values).any()


def test_answers_say_how_many_there_are_one_for_each_source():
    def rows(source, at_ms):
        names = ((SeriesKey("latency_p95", "payments"), Signal("latency_p95", "latency", "s")),)
        block = Block(np.array([at_ms]), np.array([0], np.int32), np.array([[1.0]]))
        return Rows(7, source, 60.0, at_ms, False, 0, names, rows_of(block))

    async def story():
        partition = Partition(PAYMENTS, setup(PARTITIONS), 1_700_000_000_000)
        for offset, source in enumerate(("one", "two")):
            await partition.take(offset, 1_700_000_000_000, rows(source, 1_700_000_000_000))
        said = await partition.take(2, 1_700_000_000_000, Question("q", (), 2**62))
        await partition.close()
        return [one for one in said if isinstance(one, Answer)]

    assert [(one.number, one.count, len(one.columns)) for one in run(story())] == [(0, 2, 1), (1, 2, 1)]


def test_a_partition_without_series_answers_too_so_that_nobody_waits_for_it():
    async def story():
        partition = Partition(0, setup(PARTITIONS), 1_700_000_000_000)
        said = await partition.take(0, 1_700_000_000_000, Question("q", (), 1))
        await partition.close()
        return said

    (answer,) = run(story())
    assert (answer.question, answer.columns, answer.values.shape) == ("q", (), (0, 0))


def test_samples_of_series_that_were_never_named_are_counted():
    async def story():
        partition = Partition(0, setup(PARTITIONS), 1_700_000_000_000)
        frame = Frame(7, 0, (), np.array([3], np.int32), np.array([1_700_000_000_000]), np.array([1.0]))
        await partition.take(0, 1_700_000_000_000, frame)
        await partition.close()
        return partition.lost

    assert run(story()) == 1


def test_a_snapshot_of_other_settings_is_refused(log):
    async def story():
        partition = Partition(PAYMENTS, setup(PARTITIONS), log.messages[PAYMENTS][0][0])
        await fed(partition, log, 0, 5)
        data = partition.snapshot()
        await partition.close()
        return data

    data = run(story())
    with pytest.raises(StoreError):
        Partition.restored(PAYMENTS, setup(PARTITIONS), data[:-9])
    with pytest.raises(ValueError, match="more series than the limit"):
        Partition.restored(PAYMENTS, replace(setup(PARTITIONS), max_series=1), data)
