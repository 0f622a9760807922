import numpy as np
import pytest

from aiops._track import TrackRules
from aiops.detection import Detection, DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import pack_arrays, unpack_arrays

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.05, min_relative=0.2)
TRAFFIC = Signal("requests_rate", "traffic", "1/s", "down", pages=True)
MEMORY = Signal("memory_bytes", "saturation", "bytes", "up")


def table_of(*pairs):
    table = SeriesTable()
    for service, signal in pairs:
        table.add(SeriesKey(signal.name, service), signal)
    return table


def quiet_values(rows, levels, seed=1):
    rng = np.random.default_rng(seed)
    levels = np.array(levels)
    return levels + 0.03 * levels * rng.standard_normal((rows, len(levels)))


def block(values, first_row=0):
    times = START_MS + STEP_MS * np.arange(first_row, first_row + len(values))
    return Block(times, np.arange(values.shape[1], dtype=np.int32), np.asarray(values, float))


def detection_of(table, **rules):
    return Detection(table, STEP_MS / 1000, DetectionRules(track=TrackRules(**rules)))


ROWS = 3_000


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
    values = quiet_values(120, [0.2, 0.02], seed=3)
    values[20:60, 0] = 2.0
    saved = pack_arrays(taught.snapshot())
    whole = taught.feed(block(values, ROWS))
    for cut in (1, 21, 22, 45, 61, 119):
        again = Detection(taught.table, STEP_MS / 1000)
        again.restore(unpack_arrays(saved))
        found = again.feed(block(values[:cut], ROWS))
        other = Detection(taught.table, STEP_MS / 1000)
        other.restore(unpack_arrays(pack_arrays(again.snapshot())))
        other.resume(again.active())
        found += other.feed(block(values[cut:], ROWS + cut))
        assert [(a.id, a.updated_ms, a.ended_ms, a.value) for a in found] == [
            (a.id, a.updated_ms, a.ended_ms, a.value) for a in whole
        ]


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
    for anomaly in taught.feed(block(values, ROWS)):
        assert np.isfinite(anomaly.rarity)
