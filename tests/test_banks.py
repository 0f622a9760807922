import logging

import numpy as np
import pytest

from aiops._banks import Banks
from aiops.detection import Detection, DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from detectors import Bank, Light

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
