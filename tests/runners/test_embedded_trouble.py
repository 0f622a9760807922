"""Stores, sources and rankers that fail while the service runs."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aiops.errors import Overloaded, Refused, StoreError, Unavailable
from aiops.series import SeriesTable
from aiops.sources.push import PushSettings, PushSource
from aiops.stores.sqlite import open_sqlite
from aiops.triage import TriageSettings
from tests.runners._world import (
    END_MS,
    Feed,
    World,
    alert,
    eventually,
    outcome,
    row_ms,
    saved_incidents,
    shop_values,
)
from tests.sources._push_wall import PACK, T0, samples, series


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def test_a_commit_that_fails_is_done_again_and_nothing_is_lost_or_doubled(path):
    whole = World(path.with_name("whole"))
    whole.run()
    world = World(path, fails=frozenset({2, 11, 12, 13, 14, 15}))
    reasons = []
    world.run(until=lambda: reasons.extend(world.health.reasons()) or world.is_done())
    assert outcome(path) == outcome(whole.path)
    assert [n.key for n in world.pager.heard] == [n.key for n in whole.pager.heard]
    assert world.metric("aiops_store_errors_total") == 6
    assert any(reason.startswith("store: disk is full") for reason in reasons)
    assert world.health.condition("store").ok


def test_senders_are_told_to_wait_while_nothing_can_be_saved(path):
    world = World(path, fails=frozenset(range(1, 100_000)))
    world.wall.now_s = T0 / 1000
    push = PushSource([PACK], SeriesTable(), PushSettings(step_s=60, max_pending_samples=5), clock=world.wall)
    world.attach(push)
    world.store.put_events([alert()])

    async def push_on():
        for minute in range(100):
            world.wall.now_s = T0 / 1000 + 60 * minute
            push.offer(samples((series("level", job="cart"), T0 + 60_000 * minute, 1.0)))
            await asyncio.sleep(0.002)

    async def send():
        with pytest.raises(Overloaded):
            await push_on()
        assert any(reason.startswith("store: disk is full") for reason in world.health.reasons())
        world.stop.set()

    with pytest.raises(StoreError, match="will be done again"):
        asyncio.run(world.runner.run(world.stop, send))
    assert world.store.inbox() != []
    world.store.close()


def test_a_stop_while_the_store_fails_says_so_and_loses_nothing(path):
    whole = World(path.with_name("whole"))
    whole.run()
    world = World(path, fails=frozenset(range(12, 100_000)))
    with pytest.raises(StoreError, match="will be done again"):
        world.run(until=lambda: world.store.commits > 14)
    World(path).run()
    assert outcome(path) == outcome(whole.path)


def test_an_inbox_that_cannot_be_read_is_read_again(path):
    world = World(path, [Feed(shop_values(faults=()))], failures={"inbox": 2})
    world.wall.now_s = END_MS / 1000 + 30
    world.store.put_events([alert()])
    world.run(until=lambda: world.wall.move(1) or world.pager.heard)
    assert world.metric("aiops_store_errors_total") == 2


def test_an_outbox_and_sizes_that_cannot_be_read_are_asked_for_again(path):
    world = World(path, failures={"counts": 3, "waiting": 2})
    world.run()
    assert [n.reason for n in world.pager.heard] == ["opened", "resolved"]
    assert world.metric("aiops_store_errors_total") == 5


def test_a_ranker_that_raises_costs_the_cause_and_not_the_incident(path, caplog):
    def broken(case):
        raise ZeroDivisionError(case.name)

    world = World(path, rank=broken)
    world.run()
    assert [n.reason for n in world.pager.heard] == ["opened", "resolved"]
    assert world.pager.heard[0].incident.ranking.notes == ("the ranker failed; see the log",)
    assert world.metric("aiops_rankings_failed_total") >= 1
    assert "ranking failed incident=" in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"), [(Refused("401 for us"), "401 for us"), (KeyError("odd"), "KeyError: 'odd'")]
)
def test_a_source_that_fails_is_asked_again_and_the_others_go_on(path, fault, said):
    bad, good = Feed(shop_values(2, ()), name="bad", faults=[fault, Unavailable("again")]), Feed()
    world = World(path, [bad, good])
    reasons = []

    async def look(_):
        if len(bad.asked) == 2:
            world.runner._reporter.report()
            reasons.extend(world.health.reasons())

    bad.ready = look
    world.run()
    assert len(bad.asked) == 3
    assert bad.asked[1] in (None, row_ms(719))
    assert [n.reason for n in world.pager.heard] == ["opened", "resolved"]
    assert world.health.reasons() == []
    assert world.metric('aiops_source_up{source="bad"}') == 1


def test_a_source_goes_on_after_what_it_gave_and_not_from_the_beginning(path):
    feed = Feed(faults=[])
    world = World(path, [feed])

    async def fail_once(time_ms):
        if time_ms == row_ms(720 + 20) and len(feed.asked) == 1:
            raise Refused("token is over")

    feed.ready = fail_once
    world.run()
    assert feed.asked == [None, row_ms(720 + 13)]
    assert [n.reason for n in world.pager.heard] == ["opened", "resolved"]
    assert world.metric('aiops_samples_total{source="shop"}') == feed.values.size


def test_a_part_beside_that_fails_ends_the_service_and_what_was_done_is_saved(path):
    world = World(path)

    async def web():
        await eventually(world.store.positions)
        raise OSError("port is gone")

    with pytest.raises(OSError, match="port is gone"):
        asyncio.run(world.runner.run(world.stop, web))
    assert world.store.saved[-1].snapshots.keys() == {"shop"}
    world.store.close()


def test_two_sources_of_different_age_do_not_make_time_run_faster(path):
    """Old rows of one source, told between live rows of another, must not age what is open."""
    live = Feed(shop_values(1, [slice(750, 820)]), name="live", size=1)
    values = np.vstack([shop_values(2, ())[:720], shop_values(3, [slice(s, s + 6) for s in range(722, 810, 12)])[720:]])
    behind = Feed(values, name="behind", size=3, shift_ms=-40 * 3_600_000)
    world = World(path, [live, behind], triage=TriageSettings(receivers=("pager",), max_age_s=3 * 3600.0))
    world.run()
    assert {i.status for i in saved_incidents(path)} == {"open"}
    assert world.pipeline.triage.counts["aged out"] == 0


def test_an_alert_that_comes_while_history_is_learnt_is_of_now(path):
    world = World(path, [Feed(shop_values(faults=()))])
    world.wall.now_s += 3 * 86_400
    world.store.put_events([alert(time_ms=world.clock.wall_ms() - 60_000)])
    world.run(until=lambda: world.wall.move(1) or world.pager.heard)
    assert world.pager.heard[0].incident.started_ms == END_MS + 300_000 + 3 * 86_400_000 - 60_000


def test_the_case_that_was_ranked_is_kept_for_later(path):
    World(path).run()
    (incident,) = saved_incidents(path)
    store = open_sqlite(path, read_only=True)
    assert store.case(incident.id) is not None
    store.close()
