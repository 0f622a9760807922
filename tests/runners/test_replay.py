"""A replay: the same code as live, pieces of a size, events in their place."""

from __future__ import annotations

import asyncio

import pytest

from aiops.model import Event
from aiops.runners.replay import Replay
from aiops.sources import Batch
from aiops.triage import Triage, TriageSettings
from tests.runners._world import (
    FAULT,
    LIVE_MS,
    STEP_MS,
    Feed,
    blame_db,
    pipeline_of,
    row_ms,
    shop_values,
)


def replayed(feed, events=()):
    pipeline = pipeline_of([feed], Triage(TriageSettings(receivers=("pager",))))
    return asyncio.run(Replay(pipeline, blame_db, events).run(pipeline.shards[0], feed.read(None)))


def alert(name, row, status="firing", service="cart"):
    return Event(name, row_ms(row), service, "alert", "slow", source="prometheus", status=status)


def test_alerts_become_one_incident_and_one_page_with_its_cause():
    alerts = [alert(f"a{i}", FAULT.start + 4 + i) for i in range(5)]
    ends = [alert(f"a{i}", FAULT.stop + 2, "resolved") for i in range(5)]
    result = replayed(Feed(), [*ends, *alerts])
    (incident,) = result.incidents.values()
    assert (result.alerts, result.events, result.pages()) == (5, 10, 1)
    assert len(incident.alerts) == 5
    assert incident.status == "resolved"
    assert [n.reason for n in result.notifications] == ["opened", "resolved"]
    assert result.notifications[0].incident.ranking == blame_db(None)


@pytest.mark.parametrize("size", [1, 7, 33, 1000])
def test_the_size_of_batches_does_not_matter(size):
    result, whole = replayed(Feed(size=size)), replayed(Feed(size=5))
    assert [n.key for n in result.notifications] == [n.key for n in whole.notifications]
    (one,), (other,) = result.incidents.values(), whole.incidents.values()
    assert (one.started_ms, one.opened_ms, one.resolved_ms) == (other.started_ms, other.opened_ms, other.resolved_ms)


def test_history_is_not_counted_and_the_rest_is():
    result = replayed(Feed(shop_values(faults=())))
    assert (result.samples, result.first_ms, result.last_ms) == (200, LIVE_MS, row_ms(819))
    assert result.incidents == {}
    assert result.cpu_s > 0


def test_events_after_the_last_row_are_taken_too():
    late = [alert("a1", 900), alert("a1", 901, "resolved"), alert("other", 990, service="far")]
    result = replayed(Feed(shop_values(faults=())), late)
    assert result.events == 3
    assert [n.reason for n in result.notifications] == ["opened", "resolved"]


def test_events_of_batches_are_taken_at_their_time():
    result = replayed(Feed(size=50, events=[Event("d", row_ms(FAULT.start), "db", "deploy", "v2")]))
    (incident,) = result.incidents.values()
    assert [e.id for e in incident.events] == ["d"]


def test_a_batch_without_rows_lets_time_pass_and_time_never_goes_back():
    pipeline = pipeline_of([Feed()], Triage(TriageSettings(receivers=("pager",))))
    replay = Replay(pipeline, blame_db, [alert("a1", 0)])
    replay.take(pipeline.shards[0], Batch(row_ms(1)))
    replay.take(pipeline.shards[0], Batch(row_ms(5)))
    replay.take(pipeline.shards[0], Batch(row_ms(2), events=(alert("a1", 2, "resolved"),)))
    assert [n.reason for n in replay.result.notifications] == ["opened"]
    assert pipeline.triage._state.now_ms == row_ms(5)
    assert pipeline.triage._state.at == 5 * STEP_MS
