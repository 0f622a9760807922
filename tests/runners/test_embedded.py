"""The service in one process, on a store and sources that are real and a clock that only the test moves."""

from __future__ import annotations

import asyncio

import pytest

from aiops.model import Event
from aiops.runners.replay import Replay
from aiops.stores.sqlite import open_sqlite
from aiops.triage import Triage
from rca import ServiceGraph
from tests.runners._world import (
    END_MS,
    FAULT,
    STEP_MS,
    Feed,
    World,
    alert,
    bare,
    blame_db,
    eventually,
    pipeline_of,
    row_ms,
    saved_incidents,
    shop_values,
)


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
        return world.store.positions().get("shop", 0) >= time_ms - STEP_MS and not world.runner._ranking.tasks

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
    store = open_sqlite(path, read_only=True)
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
