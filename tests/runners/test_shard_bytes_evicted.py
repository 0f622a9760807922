"""Series that have stopped are left out of snapshots, and nothing of them is left behind."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aiops._track import Track
from aiops.detection import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.pipeline import Pipeline, Shard
from aiops.runners._saved import Saver
from aiops.runners._shard_bytes import restore_shard, shard_arrays
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.stores.sqlite import open_sqlite
from aiops.triage import Triage
from tests.runners.test_report import Reported, Told

STEP_MS = 300_000
ROWS = 1_200
STOPS = 600
"""More than two days before the end."""
PAGING = Signal("latency_p95", "latency", "s", pages=True)
EVIDENCE = Signal("cpu", "saturation", "")
SERIES = [(SeriesKey(s.name, f"s{i}"), s) for i, s in enumerate([PAGING, EVIDENCE, PAGING, EVIDENCE, PAGING, EVIDENCE])]
STOPPED = (1, 2)
KEPT = (0, 3, 4, 5)
RULES = DetectionRules(light_evidence=True, evict_after_s=2 * 86_400.0)


def values() -> np.ndarray:
    rows = np.random.default_rng(7).normal(100.0, 5.0, (ROWS, len(SERIES)))
    rows[STOPS:, STOPPED] = np.nan
    rows[500:520] += 200.0  # all are told of once
    return rows


def shard(columns: Sequence[int] = range(len(SERIES)), rows: np.ndarray | None = None, rules=RULES) -> Shard:
    """A shard that has seen these columns."""
    made = Shard(Told("push", step_s=STEP_MS / 1000), rules)
    rows = values() if rows is None else rows
    for column in columns:
        made.source.table.add(*SERIES[column])
    feed(made, rows[:, list(columns)], 0)
    return made


def feed(made: Shard, rows: np.ndarray, first: int) -> list[object]:
    times = 1_700_000_000_000 // STEP_MS * STEP_MS + STEP_MS * np.arange(first, first + len(rows))
    block = Block(times, np.arange(rows.shape[1], dtype=np.int32), rows)
    return list(made.feed(Batch(int(times[-1]), (block,))))


def again(made: Shard, *, evict: bool = True) -> Shard:
    fresh = Shard(Told("push", step_s=STEP_MS / 1000), made.rules)
    restore_shard(fresh, shard_arrays(made, evict=evict))
    return fresh


def test_what_is_left_is_what_would_be_there_if_the_stopped_series_had_never_been():
    whole, never = again(shard()), shard(KEPT)
    assert list(whole.source.table.items()) == [SERIES[i] for i in KEPT]
    found, wanted = whole.detection.snapshot(), never.detection.snapshot()
    assert found.keys() == wanted.keys()
    assert len(found["told.starts"])
    assert 0 < found["bank.is_light"].sum() < len(KEPT)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    past, ours = (one.history.snapshot()["values"][:, : len(KEPT)] for one in (whole, never))
    np.testing.assert_array_equal(past, ours)
    more = np.random.default_rng(8).normal(100.0, 5.0, (30, len(KEPT)))
    more[10:, 0] += 500.0
    assert feed(whole, more, ROWS) == feed(never, more, ROWS) != []


def test_a_series_that_comes_back_is_a_new_one():
    whole = again(shard())
    assert whole.source.table.add(*SERIES[1]) == len(KEPT)
    feed(whole, np.full((1, len(KEPT) + 1), 100.0), ROWS)
    state = whole.detection.snapshot()
    assert state["presence.since_ms"][-1] == state["presence.seen_ms"][-1] == state["last_ms"][0]
    assert np.isnan(whole.history.snapshot()["values"][:-1, len(KEPT)]).all()


@pytest.mark.parametrize("days", [2.1, 30.0])
def test_silence_that_is_not_long_enough_lets_go_of_nothing(days):
    made = shard(rules=replace(RULES, evict_after_s=days * 86_400.0))
    assert len(again(made).source.table) == len(SERIES)


def test_a_source_that_is_silent_as_a_whole_loses_nothing():
    rows = values()
    rows[STOPS:] = np.nan
    assert len(again(shard(rows=rows)).source.table) == len(SERIES)


def test_a_series_with_a_track_is_kept():
    made = shard()
    made.detection._tracks[2] = Track(2, "up", 0, 1.0, 0.0, 2.0, quick=False)
    assert [key for key, _ in again(made).source.table.items()] == [SERIES[i][0] for i in (0, 2, 3, 4, 5)]


def test_nothing_is_left_out_where_numbers_are_remembered_elsewhere():
    assert len(again(shard(), evict=False).source.table) == len(SERIES)


def test_a_series_that_was_numbered_after_the_last_row_is_kept():
    made = shard()
    made.source.table.add(SeriesKey("cpu", "late"), EVIDENCE)
    assert [key.service for key, _ in again(made).source.table.items()] == ["s0", "s3", "s4", "s5", "late"]


def test_a_restart_of_the_service_lets_go(tmp_path):
    made, fresh = shard(), Shard(Told("push", step_s=STEP_MS / 1000), RULES)
    store = open_sqlite(tmp_path / "store.sqlite")
    saver = Saver(store, lambda: 0, snapshot_s=300.0, keep_days=1.0)
    pipeline = Pipeline([made], Triage())
    for _ in range(2):  # what was told since the last snapshot is kept with its series
        cycle = saver.cycle(pipeline, (), last=True)
        assert cycle is not None
        saver.commit(cycle)
    Saver(store, lambda: 0, snapshot_s=300.0, keep_days=1.0).restore(Pipeline([fresh], Triage()))
    store.close()
    assert list(fresh.source.table.items()) == [SERIES[i] for i in KEPT]
    assert fresh.evicted == len(STOPPED)


def test_what_was_let_go_is_counted_and_what_has_stopped_since_is_shown_and_said(caplog):
    caplog.set_level("INFO")
    told = Reported(Told("push", step_s=STEP_MS / 1000, table=SeriesTable(len(SERIES))))
    restored = told.shard
    restored.rules = RULES
    restored.forget()
    made = shard()
    restore_shard(restored, shard_arrays(made, evict=True))
    told.reporter.report()
    told.reporter.report()
    assert told.metric("series_evicted_total", source="push") == 2
    assert told.metric("series_stopped", source="push") == 0
    assert "let go source=push series=2" in caplog.text
    rows = np.full((600, len(KEPT)), 100.0)
    rows[:, 1] = np.nan
    feed(restored, rows, ROWS)
    for i in range(3):
        restored.source.table.add(SeriesKey("cpu", f"new{i}"), EVIDENCE)
    told.reporter.report()
    assert told.metric("series_stopped", source="push") == 1
    assert "a restart lets go of 1 that have stopped (limits.evict_after_days)" in told.health.warnings()[0]
