import logging

import numpy as np
import pytest

from aiops.detection.banks import Banks, Wanted
from aiops.detection.machine import Detection
from aiops.detection.rules import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from detectors import Bank, Light
from detectors.rarity import LOWEST

STEP_MS = 15_000
PAGING = Signal("latency_p95", "latency", "s", pages=True)
EVIDENCE = Signal("cpu", "saturation", "share", min_absolute=0.1)


def rows(t: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(1, t + 1, dtype=np.int64) * STEP_MS, np.random.default_rng(0).standard_normal((t, n)) + 10.0


def banks(max_full: int = 100, light: tuple[int, ...] = (1, 3)) -> Banks:
    made = Banks(15.0, 0.0, lambda column: column in light, max_full)
    made.grow(2)
    made.grow(5)
    return made


def test_each_column_is_scored_by_its_own_bank_alone() -> None:
    times, values = rows(400, 5)
    said = banks().update(times, values, np.zeros(5, np.bool_))
    full = Bank(3, 15.0).update(times, values[:, [0, 2, 4]])
    light = Light(2, 15.0).update(times, values[:, [1, 3]])
    for name in ("rarity", "surprise", "expected", "lower", "upper"):
        assert np.array_equal(getattr(said, name)[:, [0, 2, 4]], getattr(full, name), equal_nan=True)
        assert np.array_equal(getattr(said, name)[:, [1, 3]], getattr(light, name), equal_nan=True)


def test_what_exceeds_the_room_of_the_full_bank_is_light_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = banks(max_full=2)
    assert made.light == 3
    assert "series=1 limit=2" in caplog.text


def test_a_snapshot_brings_back_both_and_an_old_one_without_a_light_bank_is_all_full() -> None:
    times, values = rows(400, 5)
    none = np.zeros(5, np.bool_)
    first, second = banks(), banks(light=())
    whole = banks().update(times, values, none)
    first.update(times[:200], values[:200], none)
    second.restore(first.snapshot())
    assert np.array_equal(second.update(times[200:], values[200:], none).rarity, whole.rarity[200:], equal_nan=True)
    old = Banks(15.0, 0.0, lambda _: True, 100)
    old.restore(Bank(3, 15.0).snapshot())
    assert (len(old), old.light) == (3, 0)
    with pytest.raises(ValueError, match="is_light must tell"):
        second.restore(first.snapshot() | {"is_light": np.zeros(5, np.bool_)})


def test_an_accepted_level_is_taken_back_where_there_is_something_to_take_back() -> None:
    times, values = rows(100, 5)
    made = banks()
    made.update(times, values, np.zeros(5, np.bool_))
    before = made.snapshot()
    assert made.accept(1) == {}
    made.take_back(1, {})
    replaced = made.accept(2)
    assert not np.array_equal(made.snapshot()["last"][1], before["last"][1])
    made.take_back(2, replaced)
    assert np.array_equal(made.snapshot()["last"], before["last"])
    assert made.spoke(1) == {}
    assert set(made.spoke(2)) >= {"step", "level"}


def test_evidence_in_the_light_bank_becomes_an_anomaly() -> None:
    table = SeriesTable()
    table.add(SeriesKey("latency_p95", "cart"), PAGING)
    table.add(SeriesKey("cpu", "cart"), EVIDENCE)
    detection = Detection(table, 15.0, DetectionRules(light_evidence=True))
    times, values = rows(6_000, 2)
    values[5_900:, 1] += 30.0
    ids = np.arange(2, dtype=np.int32)
    found = detection.feed(Block(times, ids, values))
    assert detection.ensemble.bank.light == 1
    assert {a.series.signal for a in found if a.started_ms >= times[5_900]} == {"cpu"}


def test_of_usual_rows_in_the_light_bank_only_that_they_are_usual_is_said() -> None:
    times, values = rows(400, 5)
    values[300:, 1] = np.nan
    values[350, 3] += 30.0
    watched, frozen = np.arange(5) == 3, np.arange(5) == 4
    at_once, by_rows = banks(light=(1, 3, 4)), banks(light=(1, 3, 4))
    all_of_it = at_once.update(times, values, frozen)
    for row, time_ms in enumerate(times):
        said = by_rows.update(np.array([time_ms]), values[[row]], frozen, Wanted(watched, -4.0))
        for name in ("rarity", "surprise", "expected", "lower", "upper"):
            whole, now = getattr(all_of_it, name)[row], getattr(said, name)[0]
            assert np.array_equal(now[[0, 2, 3, 4]], whole[[0, 2, 3, 4]], equal_nan=True)
            assert np.isnan(now[1]) == np.isnan(whole[1]) or (name != "rarity" and np.isnan(now[1]))
        assert np.isnan(said.rarity[0, 1]) or said.rarity[0, 1] in {LOWEST, all_of_it.rarity[row, 1]}


def eventful() -> tuple[np.ndarray, np.ndarray]:
    """Ten hours of 24 numbers with spikes and gaps, and of a share of failed requests with a bad quarter of an hour."""
    times, values = rows(2_400, 26)
    for start in range(300, 2_300, 30):
        column = start // 30 % 24
        values[start : start + 15, column] += 30.0 + start % 70 * 2.0
        values[start + 40 : start + 44, (column + 1) % 24] = np.nan
    values[:, 24], chance = 2.0, np.full(2_400, 0.02)
    chance[2_000:2_060] = 0.52
    values[:, 25] = np.random.default_rng(4).binomial(120, chance) / 120.0
    return times, values


def light_detection() -> Detection:
    table = SeriesTable()
    for column in range(24):
        table.add(SeriesKey("cpu", "cart", labels=(("pod", str(column)),)), EVIDENCE)
    table.add(SeriesKey("request_rate", "cart"), Signal("request_rate", "traffic", "req/s", "both"))
    table.add(SeriesKey("error_ratio", "cart"), Signal("error_ratio", "errors", "ratio", min_absolute=0.01))
    return Detection(table, 15.0, DetectionRules(light_evidence=True, evidence_budget_per_30d=0.3))


def test_light_series_have_the_same_story_row_by_row_and_many_rows_at_once() -> None:
    times, values = eventful()
    ids, stories = np.arange(26, dtype=np.int32), []
    for rows_at_once in (1, 240):
        detection, story = light_detection(), []
        for first in range(0, len(times), rows_at_once):
            if first % 240 == 0:  # every half an hour some are watched more closely
                detection.changed(["cart"], int(times[first]) - 1)
            block = slice(first, first + rows_at_once)
            story += detection.feed(Block(times[block], ids, values[block]))
        assert detection.ensemble.bank.light == 26
        stories.append([str(a) for a in sorted(story, key=lambda a: (a.updated_ms, a.id))])  # as text, because of NaN
    assert stories[0] == stories[1]
    for word in ("error_ratio", "signal='cpu'", "went='up'", "went='absent'"):
        assert sum(word in anomaly for anomaly in stories[0]) > 3


def test_of_a_series_that_is_tracked_usual_rows_are_scored_as_well() -> None:
    times, values = eventful()
    ids, detection = np.arange(26, dtype=np.int32), light_detection()
    detection.feed(Block(times[:200], ids, values[:200]))
    said = detection.ensemble.update(times[200:201], values[200:201], [3, 99])
    assert set(np.flatnonzero(np.isfinite(said.verdicts.upper[0]))) == {3, 25}
    assert (said.rarity[0, [0, 1, 2]] == LOWEST).all()
    assert said.verdicts.surprise[0, 3] > 0.0
