"""Shards and pieces: what is learnt, what is told, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.maintenance import Window
from aiops.model import Anomaly, Block, Event, SeriesKey
from aiops.pipeline import ROWS, Pipeline, Shard, pieces
from aiops.silence import Matcher, Silence, why_silent
from aiops.sources import Batch
from aiops.triage import Ranked, Send, Triage
from rca import Ranking
from tests.runners._world import FAULT, SERIES, Feed, row_ms, shop_values


def batch_of(feed, start, end, *, history=False):
    ids = np.array([feed.table.add(*one) for one in SERIES], np.int32)
    times = np.array([row_ms(row) for row in range(start, end)])
    return Batch(row_ms(end - 1), (Block(times, ids, feed.values[start:end]),), history=history)


def taught():
    feed = Feed(shop_values())
    shard = Shard(feed)
    assert shard.feed(batch_of(feed, 0, 720, history=True)) == []
    return feed, shard


def test_history_teaches_and_raises_nothing():
    feed = Feed(shop_values(faults=[slice(400, 420)]))
    assert Shard(feed).feed(batch_of(feed, 0, 500, history=True)) == []


def test_rows_told_before_are_learnt_in_silence_also_inside_a_block():
    feed, shard = taught()
    feed.values[722:728], feed.values[FAULT] = [2.0, 1.5], [200.0, 150.0]
    shard.told_ms = row_ms(735)
    found = shard.feed(batch_of(feed, 720, 820))
    assert {a.started_ms for a in found} == {row_ms(FAULT.start)}
    assert shard.detection.last_ms == shard.told_ms == row_ms(819)


def test_rows_seen_before_are_dropped_from_history_too():
    feed, shard = taught()
    shard.feed(batch_of(feed, 720, 740))
    shard.feed(batch_of(feed, 730, 745))
    times, _ = shard.history.window(row_ms(719), row_ms(900))
    assert times.tolist() == [row_ms(row) for row in range(720, 745)]


def test_forgetting_starts_cold():
    feed, shard = taught()
    shard.forget()
    assert shard.detection.last_ms < 0
    assert len(shard.history.window(-(2**62), 2**62)[0]) == 0
    assert shard.name == feed.name


def test_pieces_are_of_a_size_and_the_last_one_has_position_and_events():
    feed = Feed(shop_values())
    whole = batch_of(feed, 0, 2 * ROWS + 5, history=True)
    event = Event("e", 5, "db", "deploy")
    cut = pieces(Batch(whole.position + 7, whole.blocks, (event,), history=True))
    assert [len(p.blocks[0].times) for p in cut] == [ROWS, ROWS, 5]
    assert [p.position for p in cut] == [row_ms(ROWS - 1), row_ms(2 * ROWS - 1), whole.position + 7]
    assert [p.events for p in cut] == [(), (), (event,)]
    assert all(p.history for p in cut)
    assert np.array_equal(np.concatenate([p.blocks[0].values for p in cut]), whole.blocks[0].values)


def test_a_batch_without_rows_is_one_piece():
    batch = Batch(5, events=(Event("e", 5, "db", "deploy"),))
    assert pieces(batch) == [batch]


def test_items_are_told_in_time_order_and_not_before_what_has_passed():
    pipeline = Pipeline([], Triage())
    told = []
    alerts = [Event(f"a{t}", t, f"s{t}", "alert", status="firing") for t in (9_000, 1_000, 5_000)]

    def muted(time_ms):
        told.append((time_ms, pipeline.triage._state.now_ms))
        return ""

    pipeline.take(alerts, 8_000, lambda *_: None, after_ms=4_000, muted=muted)
    assert told == [(1_000, 4_000), (5_000, 5_000), (9_000, 8_000)]
    assert pipeline.triage._state.now_ms == 8_000


# -- maintenance

WINDOW = Window(60_000, 600_000, "new disks", ("db",))
DISKS = Event("a1", 120_000, "db", "alert", "DiskSlow", status="firing")


def worked_on(*events, until_ms, path="take"):
    """All that was sent when these are told under maintenance, and the pipeline."""
    sent = []

    def act(action, now_ms):
        if isinstance(action, Send):
            sent.append((action.notification.reason, now_ms))
        else:
            pipeline.answer(Ranked(action.incident.id, Ranking()), now_ms, act)

    pipeline = Pipeline([], Triage(), [WINDOW])
    for event in events:
        if path == "take":
            pipeline.take([event], event.time_ms, act)
        else:
            pipeline.tell(event, event.time_ms, act)
        pipeline.tick(event.time_ms + 40_000, act)
    for now_ms in range(events[-1].time_ms + 40_000, until_ms, 10_000):
        pipeline.tick(now_ms, act)
    return sent, pipeline


@pytest.mark.parametrize("path", ["take", "tell"])
def test_alerts_of_a_service_that_is_worked_on_are_listed_and_not_told(path):
    over = replace(DISKS, status="resolved", time_ms=300_000)
    sent, pipeline = worked_on(DISKS, over, until_ms=2_000_000, path=path)
    assert sent == []
    (incident,) = pipeline.triage.incidents()
    assert (incident.muted, incident.status) == ("maintenance: new disks", "resolved")


@pytest.mark.parametrize("path", ["take", "tell"])
def test_other_services_and_other_times_are_told_as_always(path):
    for event in (replace(DISKS, service="cart"), replace(DISKS, time_ms=59_999), replace(DISKS, time_ms=600_000)):
        sent, _ = worked_on(event, until_ms=event.time_ms + 100_000, path=path)
        assert [reason for reason, _ in sent] == ["opened"]


def test_an_alert_that_fires_on_after_maintenance_is_told_then():
    sent, pipeline = worked_on(DISKS, until_ms=700_000)
    assert sent == [("opened", 600_000)]
    assert pipeline.triage.incidents()[0].muted == ""


def test_what_is_muted_for_another_reason_stays_muted_after_maintenance():
    sent = []
    pipeline = Pipeline([], Triage(), [WINDOW])
    pipeline.tell(DISKS, 120_000, lambda *action: sent.append(action), muted="was seen 3 h late")
    for now_ms in range(120_000, 700_000, 10_000):
        pipeline.tick(now_ms, lambda action, _: sent.append(action) if isinstance(action, Send) else None)
    assert sent == []


# -- silences


def told_under(silences, items, until_ms):
    """(reason, time) of all that was sent while `silences(now_ms)` hold, and the pipeline."""
    sent, clock = [], [0]
    pipeline = Pipeline([], Triage(), silenced=lambda item: why_silent(silences, item, clock[0]))
    for now_ms in range(0, until_ms, 5_000):
        clock[0] = now_ms
        for item in items:
            if (item.updated_ms if isinstance(item, Anomaly) else item.time_ms) == now_ms:
                pipeline.take([item], now_ms, lambda *_: None)

        def act(action, at_ms):
            if isinstance(action, Send):
                sent.append((action.notification.reason, at_ms))
            else:
                pipeline.answer(Ranked(action.incident.id, Ranking()), at_ms, act)

        pipeline.tick(now_ms, act)
    return sent, pipeline


ODD = Anomaly(
    *("odd", SeriesKey("error_ratio", "cart"), "errors", "ratio", "up", True, 60_000, 60_000, None),
    *(0.5, 0.0, 0.0, 0.1, 9.0, 2.0),
)
QUIET = Silence((Matcher("service", "cart"),), 0, 300_000, "ann", "known")


@pytest.mark.parametrize("item", [ODD, Event("e", 60_000, "cart", "alert", status="firing")])
def test_what_is_silenced_is_listed_with_the_reason_and_told_when_the_silence_is_over(item):
    sent, pipeline = told_under([QUIET], [item], 290_000)
    assert sent == []
    assert pipeline.triage.incidents()[0].muted == "silenced by ann until 1 Jan 00:05 UTC: known"
    sent, pipeline = told_under([QUIET], [item], 400_000)
    assert [reason for reason, _ in sent] == ["opened"]
    assert 300_000 <= sent[0][1] <= 320_000
    assert pipeline.triage.incidents()[0].muted == ""


def test_one_silence_after_another_keeps_it_quiet_and_what_is_not_silenced_speaks():
    later = replace(QUIET, starts_ms=200_000, ends_ms=500_000)
    assert told_under([QUIET, later], [ODD], 400_000)[0] == []
    other = replace(ODD, id="other", series=SeriesKey("error_ratio", "db"), updated_ms=90_000)
    assert [reason for reason, _ in told_under([QUIET], [ODD, other], 250_000)[0]] == ["opened"]


def test_an_incident_that_is_over_before_its_silence_is_never_told():
    over = replace(ODD, updated_ms=120_000, ended_ms=120_000)
    sent, pipeline = told_under([QUIET], [ODD, over], 900_000)
    assert sent == []
    assert [i.status for i in pipeline.triage.incidents()] == ["resolved"]
