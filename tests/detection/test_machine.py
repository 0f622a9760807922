"""From rows to anomalies: when one opens, what it says, and when it ends."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aiops.detection.active import Active
from aiops.detection.machine import Detection
from aiops.model import Block, SeriesKey
from aiops.wire import decode, encode, pack_arrays, unpack_arrays
from tests.detection._world import (
    LATENCY,
    MEMORY,
    ROWS,
    START_MS,
    STEP_MS,
    TRAFFIC,
    bare,
    block,
    detection_of,
    quiet_values,
    table_of,
)


@pytest.fixture
def taught():
    table = table_of(("cart", LATENCY), ("db", LATENCY))
    detection = detection_of(table)
    detection.learn(block(quiet_values(ROWS, [0.2, 0.02])))
    return detection


def test_learning_raises_nothing_and_noise_raises_little(taught):
    found = taught.feed(block(quiet_values(ROWS, [0.2, 0.02], seed=2), ROWS))
    assert len({a.id for a in found}) <= 1


def test_an_anomaly_opens_after_its_rows_keeps_its_band_and_closes_once_back(taught):
    values = quiet_values(120, [0.2, 0.02], seed=3)
    values[20:60, 0] = 2.0
    found = taught.feed(block(values, ROWS))
    first, last = found[0], found[-1]
    assert {a.series.service for a in found} == {"cart"}
    assert {a.id for a in found} == {first.id}
    onset_ms = START_MS + STEP_MS * (ROWS + 20)
    assert first.started_ms == onset_ms
    assert onset_ms < first.updated_ms <= onset_ms + 2 * STEP_MS
    assert first.ended_ms is None
    assert 0.1 < first.expected < 0.3
    assert first.upper < 0.5
    assert last.ended_ms == START_MS + STEP_MS * (ROWS + 60)
    assert last.upper == first.upper
    assert "above the usual" in first.explanation


def test_a_lone_spike_is_not_an_anomaly(taught):
    values = quiet_values(60, [0.2, 0.02], seed=4)
    values[20, 0] = 2.0
    assert taught.feed(block(values, ROWS)) == []


def test_a_deviation_that_nobody_would_care_about_is_not_an_anomaly(taught):
    values = quiet_values(60, [0.2, 0.02], seed=4)
    values[20:40, 1] = 0.06  # three times as slow, but 40 ms do not reach min_absolute
    assert taught.feed(block(values, ROWS)) == []


def test_the_good_direction_is_not_an_anomaly(taught):
    values = quiet_values(60, [0.2, 0.02], seed=4)
    values[20:40, 0] = 0.001
    assert taught.feed(block(values, ROWS)) == []


def test_blocks_may_be_cut_anywhere(taught):
    values = quiet_values(180, [0.2, 0.02], seed=3)
    values[20:60, 0] = 2.0
    values[90:120, 0] = 20.0
    saved = pack_arrays(taught.snapshot())
    whole = taught.feed(block(values, ROWS))
    assert len({a.id for a in whole}) == 2
    for cut in (1, 21, 22, 45, 61, 92, 119, 179):
        again = Detection(taught.table, STEP_MS / 1000)
        again.restore(unpack_arrays(saved))
        found = again.feed(block(values[:cut], ROWS))
        other = Detection(taught.table, STEP_MS / 1000)
        other.restore(unpack_arrays(pack_arrays(again.snapshot())))
        other.resume(again.active())
        found += other.feed(block(values[cut:], ROWS + cut))
        assert bare(found) == bare(whole)


def test_an_anomaly_says_how_often_it_happened_before_also_after_a_restart(taught):
    values = quiet_values(240, [0.2, 0.02], seed=3)
    for row, height in ((20, 2.0), (80, 20.0), (140, 200.0), (200, 2000.0)):
        values[row : row + 10, 0] = height
    found = taught.feed(block(values[:60], ROWS))
    assert "time in 30 days" not in found[0].explanation
    saved = taught.snapshot()
    found += taught.feed(block(values[60:120], ROWS + 60))
    again = detection_of(taught.table)
    again.restore(unpack_arrays(pack_arrays(saved)))
    again.learn(block(values[60:120], ROWS + 60))
    again.resume(decode(encode(taught.active()), Active))
    later = again.feed(block(values[120:180], ROWS + 120))
    assert {a.explanation.count("third time in 30 days, the second at this hour") for a in later} == {1}
    assert [start.started_ms for start in again.active().told] == [
        START_MS + STEP_MS * (ROWS + row) for row in (80, 140)
    ]
    again.snapshot()
    assert again.active().told == ()
    assert "fourth time" in again.feed(block(values[180:], ROWS + 180))[0].explanation


def test_rows_that_are_not_new_are_dropped(taught):
    values = quiet_values(40, [0.2, 0.02], seed=3)
    values[20:, 0] = 2.0
    once = taught.feed(block(values, ROWS))
    assert once
    assert taught.feed(block(values, ROWS)) == []


def test_a_series_that_vanishes_is_an_absence_and_pages_only_for_traffic():
    table = table_of(("cart", TRAFFIC), ("cart", MEMORY), *((f"s{i}", LATENCY) for i in range(12)))
    detection = detection_of(table)
    levels = [100.0, 1e9, *[0.1] * 12]
    detection.learn(block(quiet_values(ROWS, levels)))
    values = quiet_values(60, levels, seed=5)
    values[20:40, :2] = np.nan
    found = detection.feed(block(values, ROWS))
    opened = {a.series.signal: a for a in found if a.ended_ms is None}
    assert set(opened) == {"requests_rate", "memory_bytes"}
    assert opened["requests_rate"].went == "absent"
    assert opened["requests_rate"].pages
    assert not opened["memory_bytes"].pages
    closed = {a.series.signal: a.ended_ms for a in found if a.ended_ms is not None}
    assert closed == dict.fromkeys(opened, START_MS + STEP_MS * (ROWS + 40))


def test_a_source_that_goes_blind_raises_no_absences():
    table = table_of(*((f"s{i}", TRAFFIC) for i in range(10)))
    detection = detection_of(table)
    detection.learn(block(quiet_values(ROWS, [100.0] * 10)))
    values = np.full((30, 10), np.nan)
    assert detection.feed(block(values, ROWS)) == []
    assert detection.blind


def test_a_level_that_stays_is_accepted_in_the_end(taught):
    rows = int(7 * 3600 / 30)
    values = quiet_values(rows, [0.2, 0.02], seed=6)
    values[20:, 0] += 1.0
    ends = [a for a in taught.feed(block(values, ROWS)) if a.ended_ms is not None]
    assert len(ends) == 1
    assert (ends[0].updated_ms - ends[0].started_ms) / 3_600_000 == pytest.approx(6.0, abs=0.01)


def test_new_series_may_join_and_columns_may_come_in_any_order(taught):
    number = taught.table.add(SeriesKey("latency_p95", "queue"), LATENCY)
    values = quiet_values(30, [0.3, 0.02, 0.2], seed=7)
    times = START_MS + STEP_MS * np.arange(ROWS, ROWS + 30)
    assert taught.feed(Block(times, np.array([number, 1, 0], np.int32), values)) == []
    assert taught.view is not None
    assert taught.view.expected[0] == pytest.approx(0.2, rel=0.2)
    assert np.isnan(taught.view.expected[number])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e308, 5e-324])
def test_values_of_every_kind_are_survived(taught, odd):
    values = quiet_values(60, [0.2, 0.02], seed=8)
    values[20:40] = odd
    found = taught.feed(block(values, ROWS))
    assert all(np.isfinite(anomaly.rarity) for anomaly in found)
    assert taught.view is not None
    assert np.isfinite(taught.view.expected[0])


def test_an_outage_of_the_source_inside_a_block_raises_no_absences():
    table = table_of(*((f"s{i}", TRAFFIC) for i in range(10)))
    detection = detection_of(table)
    detection.learn(block(quiet_values(ROWS, [100.0] * 10)))
    values = quiet_values(60, [100.0] * 10, seed=9)
    values[20:40] = np.nan
    assert detection.feed(block(values, ROWS)) == []
    assert not detection.blind


def starts(found):
    return sorted({(a.started_ms - START_MS) // STEP_MS - ROWS for a in found})


def on_and_off(period, times, rows=600):
    """Ten minutes slow and ten minutes well, again and again, in rows of half a minute."""
    values = quiet_values(rows, [0.2, 0.02], seed=3)
    for k in range(times):
        values[20 + k * period : 20 + k * period + period // 2, 0] = 2.0 * 3.0**k
    return values


def test_what_comes_and_goes_again_and_again_becomes_one_anomaly_that_flaps(taught):
    found = taught.feed(block(on_and_off(40, 6), ROWS))
    assert starts(found) == [20, 60, 100, 140]
    last = [a for a in found if a.started_ms == START_MS + STEP_MS * (ROWS + 140)]
    assert {a.flaps for a in found if a not in last} == {0}
    assert (last[0].flaps, last[-1].flaps) == (3, 5)
    assert "; flapping, came out again 5 times; " in last[-1].explanation
    assert last[-1].ended_ms == START_MS + STEP_MS * (ROWS + 240)
    assert last[-1].updated_ms == START_MS + STEP_MS * (ROWS + 240 + 60)  # half an hour of quiet


def test_returns_shorter_than_the_hold_are_flaps_and_those_of_one_row_are_none(taught):
    values = quiet_values(200, [0.2, 0.02], seed=3)
    values[20:80, 0] = 2.0
    values[[30, 40, 50, 60], 0] = 0.2
    calm = [a for a in taught.feed(block(values, ROWS)) if a.ended_ms]
    assert [a.flaps for a in calm] == [0]
    again = quiet_values(200, [0.2, 0.02], seed=4)
    again[20:80, 0] = 20.0
    for row in (30, 40, 50):
        again[row : row + 4, 0] = 0.2
    flapping = [a for a in taught.feed(block(again, ROWS + 200)) if a.ended_ms]
    assert [a.flaps for a in flapping] == [3]


def test_what_came_once_an_hour_ago_is_no_flapping(taught):
    found = taught.feed(block(on_and_off(130, 5, 800), ROWS))
    assert len(starts(found)) == 5
    assert {a.flaps for a in found} == {0}


def test_flapping_goes_on_through_a_restart_at_any_row(taught):
    values = on_and_off(40, 6, 320)
    saved = pack_arrays(taught.snapshot())
    whole = taught.feed(block(values, ROWS))
    for cut in (30, 61, 141, 165, 200, 250):
        first, second = detection_of(taught.table), detection_of(taught.table)
        first.restore(unpack_arrays(saved))
        found = first.feed(block(values[:cut], ROWS))
        second.restore(unpack_arrays(pack_arrays(first.snapshot())))
        second.resume(decode(encode(first.active()), Active))
        assert bare(found + second.feed(block(values[cut:], ROWS + cut))) == bare(whole)


def test_a_jump_a_spike_and_a_climb_are_told_apart(taught):
    jump = quiet_values(60, [0.2, 0.02], seed=3)
    jump[20:30, 0] = 2.0
    found = taught.feed(block(jump, ROWS))
    assert re.match(r"above the usual [^;]*UTC, in one jump; ", found[0].explanation)
    assert re.match(r"above the usual [^;]*UTC, in one jump, a spike of 5 min; ", found[-1].explanation)


def test_how_it_began_is_known_whatever_lies_between_blocks(taught):
    values = quiet_values(60, [0.2, 0.02], seed=3)
    values[20:, 0] = 2.0
    values[15:20] = np.nan
    for cut in (16, 20):
        detection = detection_of(taught.table)
        detection.restore(taught.snapshot())
        found = detection.feed(block(values[:cut], ROWS))
        again = detection_of(taught.table)
        again.restore(unpack_arrays(pack_arrays(detection.snapshot())))
        found += again.feed(block(values[cut:], ROWS + cut))
        assert "in one jump" in next(a for a in found if a.went == "up").explanation
