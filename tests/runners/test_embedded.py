"""The service in one process, on a store and sources that are real and a clock that only the test moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from aiops.errors import Overloaded, Refused, StoreError, Unavailable
from aiops.model import Event
from aiops.runners.replay import Replay
from aiops.series import SeriesTable
from aiops.sources.push import PushSettings, PushSource
from aiops.stores.sqlite import SqliteStore
from aiops.triage import Triage, TriageSettings
from rca import ServiceGraph
from tests.runners._world import (
    END_MS,
    FAULT,
    STEP_MS,
    Feed,
    Killed,
    World,
    blame_db,
    eventually,
    outcome,
    pipeline_of,
    row_ms,
    shop_values,
)
from tests.sources._push_wall import PACK, T0, samples, series


def saved_incidents(path):
    store = SqliteStore(path, read_only=True)
    incidents = store.incidents()
    store.close()
    return incidents


def bare(incidents):
    """Without the detectors' words, which speak of the end of a batch."""
    return [
        replace(i, anomalies=tuple(replace(a, detectors=(), explanation="") for a in i.anomalies)) for i in incidents
    ]


def alert(name="a1", time_ms=END_MS, service="cart", status="firing", source="alertmanager"):
    return Event(name, time_ms, service, "alert", "too slow", source=source, status=status)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


# -- the main line


def test_a_fault_becomes_one_incident_that_is_told_once_with_its_cause(path):
    world = World(path)
    sent = 'aiops_notifications_total{receiver="pager",result="sent"}'
    world.run(until=lambda: world.is_done() and world.metric(sent) == 2)
    (incident,) = saved_incidents(path)
    assert incident.services == ("cart", "db")
    assert (incident.status, incident.muted) == ("resolved", "")
    assert 0 <= incident.started_ms - row_ms(FAULT.start) <= STEP_MS
    assert [(n.reason, n.incident.ranking.suspects[0].service) for n in world.pager.heard] == [
        ("opened", "db"),
        ("resolved", "db"),
    ]
    assert {i.id for i in world.opened} == {incident.id}
    assert world.metric(sent) == 2
    assert world.metric('aiops_incidents_total{status="resolved"}') == 1
    assert world.metric("aiops_incidents_open") == 0
    assert world.metric('aiops_samples_total{source="shop"}') == world.sources[0].values.size


def test_history_raises_nothing(path):
    world = World(path, [Feed(shop_values(faults=[slice(600, 620)]))])
    world.run()
    assert saved_incidents(path) == []
    assert world.pager.heard == []


def test_live_data_is_ranked_beside_the_loop_and_told_with_its_cause(path):
    feed = Feed(size=1)
    world = World(path, [feed], muted_after_s=600)

    def is_done(time_ms):
        return world.store.positions().get("shop", 0) >= time_ms - STEP_MS and not world.runner._ranking

    async def live(time_ms):
        if time_ms > row_ms(719):
            await eventually(lambda: is_done(time_ms))
        world.wall.now_s = time_ms / 1000 + 30

    feed.ready = live
    world.run()
    (incident,) = saved_incidents(path)
    assert incident.muted == ""
    assert [(n.reason, n.incident.ranking.suspects[0].service) for n in world.pager.heard] == [
        ("opened", "db"),
        ("resolved", "db"),
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_data_that_catches_up_is_ranked_at_once_and_gives_what_a_replay_gives(path, size):
    world = World(path, [Feed(size=size)])
    world.run()
    feed = Feed(size=33)
    pipeline = pipeline_of([feed], Triage(world.triage))
    replayed = asyncio.run(Replay(pipeline, blame_db).run(pipeline.shards[0], feed.read(None)))
    assert bare(saved_incidents(path)) == bare(replayed.incidents.values())
    assert [n.key for n in world.pager.heard] == [n.key for n in replayed.notifications]
    assert world.pager.heard[0].incident.ranking == blame_db(None)


def test_what_is_seen_late_is_recorded_and_not_told_even_in_one_batch_that_ends_now(path):
    world = World(path, [Feed(size=1000)], muted_after_s=1200)
    world.run()
    (incident,) = saved_incidents(path)
    assert incident.muted == "was seen 0.7 h late"
    assert world.pager.heard == []


def test_an_alert_that_fires_now_is_told_however_far_behind_the_data_are(path):
    world = World(path, [Feed(shop_values(faults=()))])
    world.wall.now_s += 3 * 86_400
    world.store.put_events([alert(time_ms=END_MS - 86_400_000)])
    world.run(until=lambda: world.wall.move(1) or world.pager.heard)
    (told,) = world.pager.heard
    assert told.incident.alerts[0].id == "a1"


def test_an_old_alert_that_somebody_fills_in_is_recorded_and_not_told(path):
    world = World(path, [Feed(shop_values(faults=()))])
    world.wall.now_s += 3 * 86_400

    def fill_in():
        if world.is_done() and not world.store.commits % 5:
            world.store.put_events([alert(source="api")])
            world.runner.wake()
        world.wall.move(1)
        return world.store.store.counts()["incidents"]

    world.run(until=fill_in)
    (incident,) = saved_incidents(path)
    assert incident.muted.startswith("was seen 72")


def test_events_of_a_source_join_its_incident(path):
    deploy = Event("d1", row_ms(FAULT.start), "db", "deploy", "v2")
    world = World(path, [Feed(events=[deploy])])
    world.run()
    (incident,) = saved_incidents(path)
    assert incident.events == (deploy,)
    assert world.metric('aiops_events_total{kind="deploy",source="other"}') == 1


def test_the_graph_that_is_read_is_the_graph_in_use(path):
    world = World(path, graph=ServiceGraph([("cart", "db"), ("db", "disk")]))
    world.pipeline.triage.graph = ServiceGraph()
    world.run()
    assert "disk" in world.pipeline.triage.graph


# -- the inbox


def test_events_of_the_inbox_are_consumed_once_however_many_there_are(path):
    world = World(path, [Feed(shop_values(faults=()))], inbox_limit=2)
    world.wall.now_s = END_MS / 1000 + 30
    world.store.put_events([alert(f"a{i}", service=f"s{i}") for i in range(7)])
    world.run(until=lambda: world.wall.move(1) or world.pager.heard)
    assert sum(len(incident.alerts) for incident in saved_incidents(path)) == 7
    assert world.metric('aiops_events_total{kind="alert",source="alertmanager"}') == 7
    store = SqliteStore(path, read_only=True)
    assert store.counts()["inbox"] == 0
    store.close()


def test_waking_reads_the_inbox_and_a_full_queue_does_not_mind(path):
    world = World(path, [Feed(shop_values(faults=()))])
    world.wall.now_s = END_MS / 1000 + 30

    def late_alert():
        if world.is_done() and world.store.counts()["incidents"] == 0:
            world.store.put_events([alert()])
            for _ in range(9):
                world.runner.wake()
        world.wall.move(1)
        return bool(world.pager.heard)

    world.run(until=late_alert)
    assert [n.reason for n in world.pager.heard] == ["opened"]


# -- restarts


@pytest.mark.parametrize("snapshot_s", [1e9, 5.0, 0.0], ids=["never", "now and then", "every cycle"])
def test_a_kill_between_any_two_cycles_changes_nothing(tmp_path, snapshot_s):
    whole = World(tmp_path / "whole.sqlite")
    whole.run()
    expected = outcome(whole.path)
    assert len(expected[0]) == 1
    for cut in range(1, whole.store.commits + 1):
        first = World(tmp_path / f"{cut}.sqlite", dies=cut, snapshot_s=snapshot_s)
        first.store.on_commit = lambda _, wall=first.wall: setattr(wall, "now_s", wall.now_s + 1)
        with pytest.raises(Killed):
            first.run()
        World(first.path).run()
        assert outcome(first.path) == expected, f"killed before commit {cut}"


def test_a_stop_after_any_cycle_saves_the_detectors_and_changes_nothing(tmp_path):
    whole = World(tmp_path / "whole.sqlite")
    whole.run()
    for cut in range(1, whole.store.commits):
        first = World(tmp_path / f"{cut}.sqlite")
        first.run(until=lambda world=first, n=cut: world.store.commits >= n)
        second = World(first.path)
        second.run()
        assert second.sources[0].asked == [first.pipeline.shards[0].told_ms]
        assert outcome(first.path) == outcome(whole.path), f"stopped in commit {cut}"


def test_a_restarted_service_knows_what_is_open(path):
    first = World(path)
    first.run(until=lambda: bool(first.pager.heard))
    second = World(path, [Feed(first.sources[0].values[: FAULT.stop - 5])])
    seen = []
    second.run(until=lambda: seen.append(second.metric("aiops_incidents_open")) or len(seen) > 3)
    assert seen[-1] == 1


def damaged(path, **snapshots):
    """Break what one life has left in the store."""
    first = World(path, snapshot_s=0.0)
    first.run(until=lambda: bool(first.pager.heard))
    store = SqliteStore(path)
    with store._transaction() as write:
        for statement, value in snapshots.items():
            table, column = statement.split("__")
            write.execute(f"UPDATE {table} SET body = ? WHERE {column}", (value,))  # noqa: S608 - the test's own words
    store.close()


@pytest.mark.parametrize("body", [b"", b"\x63\x03rest", b"\x01\x03" + b"\x00" * 20], ids=["empty", "version", "cut"])
def test_a_snapshot_that_cannot_be_read_starts_the_detectors_cold_and_keeps_incidents(path, caplog, body):
    whole = World(path.with_name("whole"))
    whole.run()
    damaged(path, snapshots__1=body)
    second = World(path)
    second.run()
    assert second.sources[0].asked == [None]
    assert "detectors start cold source=shop" in caplog.text
    assert outcome(path) == outcome(whole.path)


def test_deviations_that_cannot_be_read_are_forgotten_with_a_warning(path, caplog):
    damaged(path, **{"states__name LIKE 'tracks%'": b"\x63"})
    second = World(path)
    second.run()
    assert "deviations under way are forgotten source=shop" in caplog.text
    assert len(saved_incidents(path)) == 1


def test_incidents_that_cannot_be_read_stop_the_start(path):
    damaged(path, **{"states__name = 'triage'": b"\x63\x01rest"})
    with pytest.raises(StoreError, match="version"):
        World(path).run()


def test_another_step_starts_the_detectors_cold(path, caplog):
    damaged(path)
    second = World(path, [Feed(step_s=15.0)])
    second.run()
    assert second.sources[0].asked == [None]
    assert "the step was 30.0 s and is 15.0 s now" in caplog.text


def test_a_lower_limit_of_series_starts_the_detectors_cold(path, caplog):
    damaged(path)
    second = World(path, [Feed(table=SeriesTable(limit=1))])
    second.run(until=lambda: bool(second.sources[0].asked))
    assert second.sources[0].asked == [None]
    assert "more series than the limit of 1" in caplog.text


def test_a_table_that_is_numbered_already_starts_the_detectors_cold(path, caplog):
    damaged(path)
    feed = Feed()
    asyncio.run(_first(feed))
    World(path, [feed]).run()
    assert "numbered its series before" in caplog.text


async def _first(feed):
    async for _ in feed.read(None):
        return


# -- trouble


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
        assert world.health.reasons()[0].startswith("store: disk is full")
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
    store = SqliteStore(path, read_only=True)
    assert store.case(incident.id) is not None
    store.close()
