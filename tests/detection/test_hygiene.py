"""What is kept out of detection: maintenance, and the first minutes of a series."""

from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.machine import Detection
from aiops.detection.maintenance import Window
from aiops.detection.presence import GAP_MS, NEVER_MS, Presence
from aiops.detection.rules import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import pack_arrays, unpack_arrays

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.05, min_relative=0.2)
TRAFFIC = Signal("requests_rate", "traffic", "1/s", "down", pages=True)
ROWS = 3_000
SERIES = (("cart", LATENCY), ("cart", TRAFFIC), ("db", LATENCY), ("db", TRAFFIC))


def row_ms(row):
    return START_MS + STEP_MS * (ROWS + row)


def window(first, last, *services):
    return Window(row_ms(first), row_ms(last), "new disks", services)


def values_of(rows, seed=2):
    levels = np.array([0.2, 100.0, 0.2, 100.0])
    return levels * (1 + 0.03 * np.random.default_rng(seed).standard_normal((rows, 4)))


def block(values, first=0):
    return Block(row_ms(first) + STEP_MS * np.arange(len(values)), np.arange(values.shape[1], dtype=np.int32), values)


def detection_of(*maintenance, learnt=True, **rules):
    table = SeriesTable()
    for service, signal in SERIES:
        table.add(SeriesKey(signal.name, service), signal)
    detection = Detection(table, STEP_MS / 1000, DetectionRules(maintenance=maintenance, **rules))
    if learnt:
        detection.learn(block(values_of(ROWS, seed=1), -ROWS))
    return detection


def told(found):
    return sorted({(a.series.service, a.series.signal) for a in found})


# -- maintenance


def broken(first=20, last=40, rows=80):
    """Slow and without traffic for a while, in both services."""
    values = values_of(rows)
    values[first:last, [0, 2]] = 2.0
    values[first:last, [1, 3]] = np.nan
    return values


def test_nothing_is_told_of_a_service_that_is_worked_on():
    assert {s for s, _ in told(detection_of().feed(block(broken())))} == {"cart", "db"}
    found = detection_of(window(20, 40, "db", "queue")).feed(block(broken()))
    assert told(found) == [("cart", "latency_p95"), ("cart", "requests_rate")]
    assert detection_of(window(20, 40)).feed(block(broken())) == []


def test_what_begins_before_or_after_maintenance_is_told():
    found = detection_of(window(60, 70)).feed(block(broken()))
    assert len(told(found)) == 4
    found = detection_of(window(10, 20)).feed(block(broken()))
    assert min(a.started_ms for a in found) == row_ms(20)
    assert len(told(found)) == 4


def test_what_is_under_way_ends_with_the_reason():
    found = detection_of(window(30, 60, "cart")).feed(block(broken(last=50)))
    last = {(a.series.service, a.series.signal): a for a in found}
    assert last["cart", "latency_p95"].ended_ms == last["cart", "latency_p95"].updated_ms == row_ms(30)
    assert last["cart", "latency_p95"].explanation.endswith("; ended by maintenance: new disks")
    assert last["cart", "requests_rate"].ended_ms == row_ms(30)
    assert last["db", "latency_p95"].ended_ms == row_ms(50)


def test_what_was_not_told_yet_is_dropped_in_silence():
    assert detection_of(window(21, 60)).feed(block(broken(last=50))) == []


def test_what_lasts_after_maintenance_is_told_against_the_level_before():
    values = values_of(80)
    values[20:, 0] = 2.0
    found = detection_of(window(10, 40)).feed(block(values))
    assert found[0].started_ms == row_ms(40)
    assert found[0].expected == pytest.approx(0.2, rel=0.1)


def test_maintenance_teaches_nothing():
    plain, worked, unaware = detection_of(), detection_of(window(20, 40)), detection_of()
    calm = values_of(80)
    plain.feed(block(calm[:20]))
    worked.feed(block(broken()[:40]))
    unaware.feed(block(broken()[:40]))
    expected = plain.ensemble.bank.snapshot()
    for name in ("offset", "scale", "pages", "rows_above"):
        np.testing.assert_array_equal(worked.ensemble.bank.snapshot()[name], expected[name])
        assert not np.array_equal(unaware.ensemble.bank.snapshot()[name], expected[name])
    np.testing.assert_array_equal(worked.ensemble.absence.snapshot()["gaps"], plain.ensemble.absence.snapshot()["gaps"])
    np.testing.assert_array_equal(worked.ensemble.season.snapshot()["peak"], plain.ensemble.season.snapshot()["peak"])


def test_maintenance_in_history_teaches_nothing_either():
    values = values_of(ROWS, seed=1)
    spoilt = values.copy()
    spoilt[-500:-400] *= 7.0
    one, other = (detection_of(window(-500, -400), learnt=False) for _ in range(2))
    one.learn(block(values, -ROWS))
    other.learn(block(spoilt, -ROWS))
    np.testing.assert_array_equal(one.ensemble.bank.snapshot()["scale"], other.ensemble.bank.snapshot()["scale"])


def test_a_gap_goes_on_through_maintenance_unless_it_began_shortly_before():
    values = values_of(300)
    values[:, 1] = np.nan
    values[150:, 0] = np.nan
    detection = detection_of(window(200, 260))
    detection.feed(block(values))
    assert detection.ensemble.absence.snapshot()["gap"].tolist() == [40.0, 300.0, 0.0, 0.0]


def test_a_series_still_missing_after_maintenance_is_told_then():
    values = values_of(80)
    values[25:, 1] = np.nan
    found = detection_of(window(20, 40)).feed(block(values))
    assert told(found) == [("cart", "requests_rate")]
    assert row_ms(40) <= found[0].started_ms <= row_ms(45)


def test_a_maintenance_that_stops_most_series_does_not_blind_the_rest():
    values = values_of(80)
    values[20:60, [0, 2, 3]] = np.nan
    detection = detection_of(window(20, 60, "db"), window(20, 60, "cart"))
    detection.feed(block(values[:30]))
    assert not detection.blind


def test_blocks_may_be_cut_anywhere_around_maintenance_and_start_up():
    values = np.vstack([values_of(20), np.full((130, 4), np.nan), broken(10, 60, 140)])
    windows = (window(5, 10, "cart"), window(200, 230, "db"))
    whole = detection_of(*windows)
    saved = pack_arrays(whole.snapshot())
    # Series of a whole source vanish together, which is no absence; one stays.
    values[:, 3] = 100.0
    expected = whole.feed(block(values))
    assert expected
    for cut in (1, 5, 7, 10, 20, 100, 149, 150, 151, 165, 170, 180, 200, 215, 230, 260):
        first, second = detection_of(*windows, learnt=False), detection_of(*windows, learnt=False)
        first.restore(unpack_arrays(saved))
        found = first.feed(block(values[:cut]))
        second.restore(unpack_arrays(pack_arrays(first.snapshot())))
        second.resume(first.active())
        found += second.feed(block(values[cut:], cut))
        assert bare(found) == bare(expected), cut


def bare(found):
    """As text, because NaN is no NaN; without what speaks of the end of a block."""
    return [repr(replace(a, detectors=(), explanation="")) for a in found]


# -- start-up


@pytest.mark.parametrize(("settle_s", "is_told"), [(600.0, False), (2300.0, False), (0.0, True)])
def test_a_series_that_just_appeared_starts_nothing(settle_s, is_told):
    detection = detection_of(learnt=False, settle_s=settle_s)
    values = values_of(400)
    values[:300, 0] = np.nan
    values[370:377, 0] = 20.0  # the bank has an opinion after 50 rows
    found = detection.feed(block(values))
    assert (("cart", "latency_p95") in told(found)) == (is_told or settle_s < 70 * 30)


@pytest.mark.parametrize(
    ("gap", "row", "is_told"), [(121, 0, False), (121, 19, False), (121, 20, True), (119, 12, True)]
)
def test_a_series_that_comes_back_after_an_hour_is_new(gap, row, is_told):
    values = values_of(300)
    values[10 : 10 + gap, 0] = np.nan
    values[10 + gap + row : 10 + gap + row + 8, 0] = 20.0
    detection = detection_of()
    found = [a for a in detection.feed(block(values)) if a.went == "up"]
    assert (row_ms(10 + gap + row) in {a.started_ms for a in found}) == is_told


def test_a_source_that_comes_back_after_an_hour_is_new_throughout():
    values = values_of(60)
    values[:, 0] = 20.0
    detection = detection_of()
    assert detection.feed(block(values[:15], 121)) == []
    both = np.vstack([values_of(5), values[:15]])
    times = row_ms(0) + STEP_MS * np.array([*range(5), *range(130, 145)])
    assert detection_of().feed(Block(times, np.arange(4, dtype=np.int32), both)) == []


def reference(times, values, settle_ms):
    """What is unsettled, row by row."""
    since, seen = np.full(values.shape[1], NEVER_MS), np.full(values.shape[1], NEVER_MS)
    out = np.zeros(values.shape, bool)
    for i, t in enumerate(times):
        there = np.isfinite(values[i])
        since = np.where(there & (t - seen > GAP_MS), t, since)
        seen = np.where(there, t, seen)
        out[i] = t - since < settle_ms
    return out, since, seen


@pytest.mark.parametrize("seed", range(5))
def test_presence_is_what_counting_row_by_row_gives_however_rows_are_cut(seed):
    rng = np.random.default_rng(seed)
    steps = rng.choice([60_000] if seed % 2 else [60_000, 60_000, 60_000, 600_000, 2 * GAP_MS], 400)
    times = np.cumsum(steps)
    values = np.where(rng.random((400, 6)) < np.array([0.0, 0.1, 0.5, 0.9, 0.98, 1.0]), np.nan, 1.0)
    expected, since, seen = reference(times, values, 600_000)
    presence = Presence()
    presence.grow(6)
    cuts = np.sort(rng.choice(400, 30, replace=False))
    for first, last in zip([0, *cuts], [*cuts, 400], strict=True):
        if first == last:
            continue
        rows = slice(first, last)
        columns, unsettled = presence.unsettled(times[rows], values[rows], 600.0)
        found = np.zeros((last - first, 6), bool)
        found[:, columns] = unsettled
        there = since > NEVER_MS
        np.testing.assert_array_equal(found[:, there], expected[rows][:, there])
        presence.update(times[rows], values[rows])
    np.testing.assert_array_equal(presence.since_ms, since)
    np.testing.assert_array_equal(presence.seen_ms, seen)


def test_arrays_that_do_not_fit_are_refused():
    presence = Presence()
    with pytest.raises(ValueError, match="since_ms, taken_ms must be"):
        presence.from_arrays({"since_ms": np.zeros(2, np.int64), "seen_ms": np.zeros(3, np.int64)})
