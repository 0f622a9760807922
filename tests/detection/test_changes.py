"""What a deploy does to detection: closer watch, then a new normal that can be taken back."""

import re
from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.accepted import KEPT, Accepted, AcceptedLevels
from aiops.detection.active import Active
from aiops.detection.changes import MAX_CHANGES, MAX_PER_SERVICE, Change, Changes, shift_after
from aiops.detection.machine import Detection
from aiops.detection.rules import DetectionRules
from aiops.detection.track import Track, TrackRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import decode, encode, pack_arrays, unpack_arrays

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.05, min_relative=0.2)
CPU = Signal("cpu_cores", "saturation", "cores", "up", min_absolute=0.1)
ROWS = 3_000
WATCH = 60  # rows


def row_ms(row):
    return START_MS + STEP_MS * (ROWS + row)


def values_of(rows, seed=2):
    """Rows of cart's latency and CPU, and of db's latency."""
    levels = np.array([0.2, 1.0, 0.2])
    return levels * (1 + 0.03 * np.random.default_rng(seed).standard_normal((rows, 3)))


def block(values, first=0):
    times = row_ms(first) + STEP_MS * np.arange(len(values))
    return Block(times, np.arange(values.shape[1], dtype=np.int32), values)


def detection_of(**rules):
    table = SeriesTable()
    for service, signal in (("cart", LATENCY), ("cart", CPU), ("db", LATENCY)):
        table.add(SeriesKey(signal.name, service), signal)
    return Detection(table, STEP_MS / 1000, DetectionRules(**rules))


def taught_detection(**rules):
    detection = detection_of(**rules)
    detection.learn(block(values_of(ROWS, seed=1), -ROWS))
    return detection


def told(found):
    return sorted({(a.series.service, a.series.signal) for a in found})


def deploy(detection, row=10, service="cart"):
    detection.changed([service], row_ms(row), "deploy")


# -- the watch


@pytest.mark.parametrize(("row", "is_told"), [(20, True), (WATCH + 9, True), (WATCH + 10, False), (9, False)])
def test_within_half_an_hour_of_a_deploy_one_row_less_is_enough(row, is_told):
    values = values_of(100)
    values[row : row + 2, 0] = 0.45  # rare enough, but not ten times rarer than the budget
    watched, unwatched = taught_detection(), taught_detection()
    assert unwatched.feed(block(values)) == []
    deploy(watched)
    found = watched.feed(block(values))
    assert bool(found) == is_told
    assert all("; 30 min watch after deploy; " in a.explanation for a in found)


def test_only_the_service_that_was_changed_is_watched():
    values = values_of(60)
    values[20:22, [0, 2]] = 0.45
    detection = taught_detection()
    deploy(detection, service="db")
    assert told(detection.feed(block(values))) == [("db", "latency_p95")]


def test_the_threshold_is_lower_while_a_service_is_watched():
    values = values_of(60)
    values[20:30, 0] = 0.45
    rarity = max(a.rarity for a in taught_detection().feed(block(values)))
    strict = {"page_budget_per_30d": 30 * 10.0 ** -(rarity + 0.05)}
    watched, unwatched = taught_detection(**strict), taught_detection(**strict)
    assert unwatched.feed(block(values)) == []
    deploy(watched)
    assert told(watched.feed(block(values))) == [("cart", "latency_p95")]


def test_without_a_watch_a_deploy_changes_nothing():
    values = values_of(100)
    values[20:22, 0] = 0.45
    detection = taught_detection(watch_change_s=0.0)
    deploy(detection)
    assert detection.feed(block(values)) == []


def test_one_needed_row_stays_one():
    values = values_of(60)
    values[20, 0] = 0.45
    detection = taught_detection(track=TrackRules(needed=1))
    deploy(detection)
    assert told(detection.feed(block(values))) == [("cart", "latency_p95")]


# -- the new normal


def shifted(rows=200, row=15, column=1, by=1.0):
    values = values_of(rows)
    values[row:, column] += by
    return values


def test_a_level_that_stays_after_a_deploy_is_accepted_where_it_only_explains():
    detection = taught_detection()
    deploy(detection)
    found = detection.feed(block(shifted()))
    last = found[-1]
    assert told(found) == [("cart", "cpu_cores")]
    assert (last.ended_ms, last.updated_ms) == (row_ms(10 + WATCH), row_ms(10 + WATCH))
    assert re.search(r"; accepted after the deploy: (2|1\.99|2\.01) cores is the new normal$", last.explanation)
    assert len({a.id for a in found}) == 1
    (one,) = detection.accepted
    assert (one.id, one.series, one.change) == (last.id, last.series, "deploy")
    assert (one.change_ms, one.accepted_ms, one.undone_ms) == (row_ms(10), row_ms(10 + WATCH), None)
    assert (one.before, one.after) == (pytest.approx(1.0, rel=0.1), pytest.approx(2.0, rel=0.01))
    assert detection.view.expected[1] == pytest.approx(2.0, rel=0.1)


def test_a_signal_that_pages_is_never_accepted():
    detection = taught_detection()
    deploy(detection)
    found = detection.feed(block(shifted(column=0)))
    assert found
    assert found[-1].ended_ms is None
    assert detection.accepted == ()


def test_what_a_deploy_did_to_a_service_that_hurts_is_not_normal_until_it_is_healed():
    values = shifted()
    values[15:120, 0] += 2.0
    detection = taught_detection()
    deploy(detection)
    detection.feed(block(values))
    (one,) = detection.accepted
    assert one.accepted_ms == row_ms(120 + 10)


def test_what_still_climbs_is_not_accepted():
    values = values_of(200)
    values[15:, 1] += np.linspace(1.0, 40.0, 185)
    detection = taught_detection()
    deploy(detection)
    found = detection.feed(block(values))
    assert detection.accepted == ()
    assert found[-1].ended_ms is None


@pytest.mark.parametrize(("row", "accepted_row"), [(9, None), (10, 70), (50, 70), (60, 80), (69, 89), (70, None)])
def test_a_shift_begins_in_the_watch_and_lasts_a_third_of_it(row, accepted_row):
    detection = taught_detection()
    deploy(detection)
    detection.feed(block(shifted(row=row)))
    assert [a.accepted_ms for a in detection.accepted] == ([row_ms(accepted_row)] if accepted_row else [])


def test_a_row_that_is_missing_puts_it_off():
    values = shifted()
    values[70:73, 1] = np.nan
    detection = taught_detection()
    deploy(detection)
    detection.feed(block(values))
    assert [a.accepted_ms for a in detection.accepted] == [row_ms(73)]


def test_what_went_back_before_is_not_accepted():
    values = shifted()
    values[66:, 1] -= 1.0
    detection = taught_detection()
    deploy(detection)
    found = detection.feed(block(values))
    assert detection.accepted == ()
    assert found[-1].ended_ms == row_ms(66)


def test_a_deploy_that_is_told_late_counts_from_then_on():
    values = shifted()
    detection = taught_detection()
    found = detection.feed(block(values[:30]))
    deploy(detection)
    deploy(detection)
    found += detection.feed(block(values[30:], 30))
    assert "watch after" not in found[0].explanation
    assert "30 min watch after deploy" in found[-1].explanation
    assert [a.accepted_ms for a in detection.accepted] == [row_ms(70)]


def test_a_deploy_before_the_shift_began_has_nothing_to_do_with_it():
    values = shifted()
    detection = taught_detection()
    detection.feed(block(values[:30]))
    deploy(detection, row=20)
    detection.feed(block(values[30:], 30))
    assert detection.accepted == ()


def test_a_deploy_told_when_its_watch_is_over_is_not_watched():
    detection = taught_detection()
    detection.feed(block(values_of(100)))
    deploy(detection)
    assert detection.active().changes == ()


# -- undo and restart


def test_what_was_accepted_can_be_taken_back_once():
    detection = taught_detection()
    deploy(detection)
    values = shifted(rows=400)
    detection.feed(block(values[:200]))
    (one,) = detection.accepted
    assert detection.is_unsaved
    detection.snapshot()
    assert not detection.is_unsaved
    assert detection.take_back("nothing") is None
    assert detection.take_back(one.id) == one
    assert detection.is_unsaved
    assert detection.accepted == (replace(one, undone_ms=row_ms(199)),)
    assert detection.take_back(one.id) is None
    values[300:, 1] -= 1.0
    found = detection.feed(block(values[200:], 200))
    assert {a.id for a in found} == {one.id}
    assert (found[0].updated_ms, found[0].ended_ms, found[-1].ended_ms) == (row_ms(200), None, row_ms(300))
    assert found[0].upper < 1.9
    assert len(detection.accepted) == 1


def test_an_undo_takes_the_detectors_memory_back_too():
    detection, other = taught_detection(), taught_detection()
    for one in (detection, other):
        deploy(one)
        one.feed(block(shifted(rows=71)))
    detection.take_back(detection.accepted[0].id)
    rows = block(shifted(rows=1, row=0), 71)
    detection.feed(rows)
    other.feed(rows)
    assert detection.view.expected[1] < other.view.expected[1] - 0.01


def test_blocks_may_be_cut_anywhere_around_a_change():
    values = shifted(rows=120)
    values[40:110, 0] += 2.0
    values[112:, 2] += 3.0
    whole = taught_detection()
    saved = pack_arrays(whole.snapshot())
    deploy(whole)
    deploy(whole, row=20)
    expected = bare(whole.feed(block(values)))
    assert expected
    for cut in (1, 16, 17, 30, 69, 70, 71, 81, 116):
        first, second = detection_of(), detection_of()
        first.restore(unpack_arrays(saved))
        deploy(first)
        deploy(first, row=20)
        found = first.feed(block(values[:cut]))
        second.restore(unpack_arrays(pack_arrays(first.snapshot())))
        second.resume(decode(encode(first.active()), Active))
        found += second.feed(block(values[cut:], cut))
        assert bare(found) == expected
        assert second.accepted == whole.accepted


def bare(found):
    """Without the names of detectors, which speak of the end of a block."""
    return [
        replace(a, detectors=(), explanation=re.sub("detectors that spoke: [^;]*; ", "", a.explanation)) for a in found
    ]


def test_an_undo_works_after_a_restart():
    first, second = taught_detection(), detection_of()
    deploy(first)
    first.feed(block(shifted()))
    second.restore(unpack_arrays(pack_arrays(first.snapshot())))
    (one,) = second.accepted
    assert second.take_back(one.id) == one
    assert told(second.feed(block(shifted(rows=30, row=0), 200))) == [("cart", "cpu_cores")]


# -- the parts


def test_only_the_last_accepted_levels_are_kept():
    levels = AcceptedLevels()
    for i in range(KEPT + 5):
        one = Accepted(str(i), SeriesKey("cpu", "cart"), "", "deploy", 0, i, 1.0, 2.0)
        track = Track(i, "up", i, 1.0, 0.9, 1.1, quick=False)
        levels.add(one, track, {"doubles": np.array([float(i)])})
    assert len(levels.all) == KEPT
    assert levels.find("4") is None
    assert len(levels.to_arrays()) == KEPT + 1
    other = AcceptedLevels()
    other.from_arrays(unpack_arrays(pack_arrays(levels.to_arrays())))
    assert other.all == levels.all
    track, replaced = other.undo(other.all[-1], 7)
    assert (track.column, replaced["doubles"].tolist()) == (KEPT + 4, [KEPT + 4.0])


def test_the_number_of_watches_is_bounded_and_the_farthest_are_left_out():
    changes = Changes(60.0)
    for i in range(MAX_PER_SERVICE + 3):
        assert changes.note("cart", "restart", i, now_ms=10_000)
    assert changes.note("cart", "restart", 5, now_ms=10_000) is None
    assert changes.note("cart", "deploy", 4 * 10**12, now_ms=10_000) is None
    assert [c.time_ms for c in changes.all()] == list(range(3, MAX_PER_SERVICE + 3))
    changes.replace(Change(f"s{i}", "deploy", i, 60_000 + i) for i in range(MAX_CHANGES))
    assert changes.note("cart", "deploy", MAX_CHANGES, now_ms=0) is None
    assert changes.note("cart", "deploy", 5, now_ms=0)
    assert len(changes) == MAX_CHANGES
    assert changes.at(f"s{MAX_CHANGES - 1}", MAX_CHANGES) is None


def test_a_series_that_vanished_before_the_deploy_was_told_has_no_level():
    detection = taught_detection()
    values = values_of(40)
    values[20:, 1] = np.nan
    detection.feed(block(values))
    deploy(detection)
    (watched,) = detection.active().tracks
    assert (watched.track.went, watched.track.shift) == ("absent", None)


def test_watches_that_are_over_are_forgotten():
    changes = Changes(60.0)
    changes.note("cart", "deploy", 0, now_ms=0)
    changes.note("db", "deploy", 30_000, now_ms=0)
    changes.forget(59_999)
    assert len(changes) == 2
    changes.forget(60_000)
    assert [c.service for c in changes.all()] == ["db"]


@pytest.mark.parametrize("value", [1e308, -1e308, np.inf, np.nan])
def test_no_value_makes_a_shift_of_what_is_none(value):
    shift = shift_after(Change("cart", "deploy", 0, 60_000), 0, 0, pages=False)
    for time_ms in range(0, 70_000, 10_000):
        shift.learn(time_ms, value)
        shift.learn(time_ms, value)
    assert not shift.is_level(1.0)
