"""Series that have stopped are let go while the service runs, and nothing of them is left to those that follow."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aiops import _wire_bytes
from aiops.backend import score_rows
from aiops.cases import _joined
from aiops.detection.rules import DetectionRules
from aiops.detection.track import Track
from aiops.model import Block, SeriesKey, Signal
from aiops.pipeline import Pipeline, Shard
from aiops.runners._saved import Saver
from aiops.runners._shard_bytes import restore_shard, shard_arrays
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.stores.sqlite import open_sqlite
from aiops.triage import Triage
from tests.runners._reported import Reported, Told

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


def let_go(made: Shard) -> list[object]:
    """Ask, have the source unname, and tell with an empty batch, as a source does with its next block."""
    made.ask()
    made.source.table.unname()
    return list(made.feed(Batch(made.told_ms, let_go=made.source.table.unnamed)))


def again(made: Shard) -> Shard:
    fresh = Shard(Told("push", step_s=STEP_MS / 1000), made.rules)
    restore_shard(fresh, shard_arrays(made))
    return fresh


def known(made: Shard) -> list[tuple[SeriesKey, Signal]]:
    return list(made.source.table.items())


def test_what_is_left_is_what_would_be_there_if_the_stopped_series_had_never_been():
    whole, never = shard(), shard(KEPT)
    assert let_go(whole) == []
    assert known(whole) == [SERIES[i] for i in KEPT]
    found, wanted = whole.detection.snapshot(), never.detection.snapshot()
    assert found.keys() == wanted.keys()
    assert len(found["told.starts"])
    assert 0 < found["bank.is_light"].sum() < len(KEPT)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    more = np.random.default_rng(8).normal(100.0, 5.0, (30, len(KEPT)))
    more[10:, 0] += 500.0
    wide = np.full((30, len(SERIES)), np.nan)
    wide[:, KEPT] = more
    assert feed(whole, wide, ROWS) == feed(never, more, ROWS) != []


def test_a_number_that_is_used_again_knows_nothing_of_the_series_it_had():
    """The new ones want other banks than the old ones, and are scored as if they had numbers of their own."""
    rules = replace(RULES, settle_s=0.0)
    whole, never = shard(rules=rules), shard(KEPT, rules=rules)
    let_go(whole)
    new = [(SeriesKey(s.name, f"new{i}"), s) for i, s in enumerate([EVIDENCE, EVIDENCE, PAGING])]
    numbers, others = ([made.source.table.add(*one) for one in new] for made in (whole, never))
    assert sorted(numbers) == [*STOPPED, len(SERIES)]
    more = np.random.default_rng(8).normal(100.0, 5.0, (400, len(KEPT) + len(new)))
    more[:, len(KEPT) :] *= 1e6
    more[380:, len(KEPT) :] *= 10.0
    wide = np.empty_like(more)
    wide[:, KEPT], wide[:, numbers], never_rows = more[:, : len(KEPT)], more[:, len(KEPT) :], np.empty_like(more)
    never_rows[:, : len(KEPT)], never_rows[:, others] = more[:, : len(KEPT)], more[:, len(KEPT) :]
    found, wanted = feed(whole, wide, ROWS), feed(never, never_rows, ROWS)
    assert found == wanted
    assert {anomaly.series.service for anomaly in found} >= {"new0", "new1", "new2"}
    ours, theirs = (restored.detection.snapshot() for restored in (again(whole), again(never)))
    order = [known(whole).index(one) for one in known(never)]
    for name in ("season.floor", "absence.gaps", "presence.since_ms", "presence.value", "bank.is_light"):
        np.testing.assert_array_equal(ours[name][order], theirs[name], err_msg=name)
    past, other = (made.history.snapshot()["values"][-480:-400, at] for made, at in ((whole, numbers), (never, others)))
    np.testing.assert_array_equal(past, other)
    assert np.isnan(past).all()


def test_a_series_that_comes_back_is_a_new_one():
    whole = shard()
    let_go(whole)
    number = whole.source.table.add(*SERIES[1])
    rows = np.full((1, len(SERIES)), 100.0)
    rows[0, 3 - number] = np.nan
    feed(whole, rows, ROWS)
    state = whole.detection.snapshot()
    at = known(whole).index(SERIES[1])
    assert state["presence.since_ms"][at] == state["presence.seen_ms"][at] == state["last_ms"][0]
    assert np.isnan(whole.history.snapshot()["values"][:-1, number]).all()


@pytest.mark.parametrize("days", [2.1, 30.0])
def test_silence_that_is_not_long_enough_lets_go_of_nothing(days):
    made = shard(rules=replace(RULES, evict_after_s=days * 86_400.0))
    let_go(made)
    assert len(made.source.table) == len(SERIES)


def test_a_source_that_is_silent_as_a_whole_loses_nothing():
    rows = values()
    rows[STOPS:] = np.nan
    made = shard(rows=rows)
    let_go(made)
    assert len(made.source.table) == len(SERIES)


def test_a_series_with_a_track_is_kept():
    made = shard()
    made.detection._tracks[2] = Track(2, "up", 0, 1.0, 0.0, 2.0, quick=False)
    let_go(made)
    assert known(made) == [SERIES[i] for i in (0, 2, 3, 4, 5)]


def test_a_deviation_that_begins_after_its_series_was_given_up_is_ended():
    made = shard()
    made.ask()
    made.source.table.unname()
    made.detection._tracks[2] = Track(2, "up", 0, 1.0, 0.0, 2.0, quick=False, told=True, back_ms=7)
    made.detection._tracks[1] = Track(1, "up", 0, 1.0, 0.0, 2.0, quick=False)
    (ended,) = made.feed(Batch(made.told_ms, let_go=made.source.table.unnamed))
    assert (ended.series, ended.ended_ms) == (SERIES[2][0], 7)
    assert "the series had stopped" in str(ended)
    assert made.detection.active().tracks == ()


def test_a_series_that_has_never_had_a_value_is_not_let_go_at_once_but_with_the_others():
    made = shard()
    silent = np.full((2_000, len(SERIES) + 1), 100.0)
    silent[:, [*STOPPED, len(SERIES)]] = np.nan
    made.source.table.add(SeriesKey("cpu", "empty"), EVIDENCE)
    feed(made, silent[:10], ROWS)
    let_go(made)
    assert made.source.table.find(SeriesKey("cpu", "empty")) is not None
    feed(made, silent[10:], ROWS + 10)
    let_go(made)
    assert made.source.table.find(SeriesKey("cpu", "empty")) is None


def test_a_number_is_used_again_only_after_its_batch_has_come():
    """Batches that were on their way may still have values of the old series."""
    made = shard()
    table = made.source.table
    made.ask()
    assert table.unname() == STOPPED
    assert table.add(SeriesKey("cpu", "new"), EVIDENCE) == len(SERIES)
    told = table.unnamed
    made.feed(Batch(made.told_ms, let_go=told))
    assert table.add(SeriesKey("cpu", "newer"), EVIDENCE) in STOPPED
    made.feed(Batch(made.told_ms, let_go=told))  # said again, as by a batch that was built before
    assert table.find(SeriesKey("cpu", "newer")) in STOPPED
    assert table.add(SeriesKey("cpu", "newest"), EVIDENCE) in STOPPED
    assert table.add(SeriesKey("cpu", "last"), EVIDENCE) == len(SERIES) + 1


def test_a_snapshot_between_the_two_has_each_series_once():
    """A series may be back under another number before its old one is free."""
    made = shard()
    made.ask()
    made.source.table.unname()
    assert made.source.table.add(*SERIES[1]) == len(SERIES)
    assert known(again(made)) == [*(SERIES[i] for i in KEPT), SERIES[1]]


def test_a_series_that_was_numbered_after_the_last_row_is_kept_with_what_was_told_of_it():
    made = shard()
    let_go(made)
    late = made.source.table.add(SeriesKey("cpu", "late"), EVIDENCE)
    made.detection._told.note(late, 5)
    restored = again(made)
    assert [key.service for key, _ in known(restored)] == ["s0", "s3", "s4", "s5", "late"]
    assert restored.detection._told.note(4, 9) == (5,)


def test_a_restart_of_the_service_does_not_bring_back_what_was_let_go(tmp_path):
    made, fresh = shard(), Shard(Told("push", step_s=STEP_MS / 1000), RULES)
    let_go(made)
    store = open_sqlite(tmp_path / "store.sqlite")
    saver = Saver(store, lambda: 0, snapshot_s=300.0, keep_days=1.0)
    cycle = saver.cycle(Pipeline([made], Triage()), (), last=True)
    assert cycle is not None
    saver.commit(cycle)
    Saver(store, lambda: 0, snapshot_s=300.0, keep_days=1.0).restore(Pipeline([fresh], Triage()))
    store.close()
    assert known(fresh) == [SERIES[i] for i in KEPT]


def test_detectors_that_no_store_would_give_back_are_left_out_and_all_else_is_saved(tmp_path, monkeypatch, caplog):
    made, store = shard(), open_sqlite(tmp_path / "store.sqlite")
    saver = Saver(store, lambda: 0, snapshot_s=300.0, keep_days=1.0)
    monkeypatch.setattr(_wire_bytes, "MAX_PLAIN_BYTES", 1_000)
    cycle = saver.cycle(Pipeline([made], Triage()), (), last=True)
    assert (dict(cycle.snapshots), cycle.positions) == ({}, {made.name: made.told_ms})
    store.close()
    assert "detectors not saved, set a lower limits.max_series source=push" in caplog.text


def test_gauges_fall_what_was_let_go_is_counted_and_it_is_logged_once(caplog):
    caplog.set_level("INFO")
    told = Reported(Told("push", step_s=STEP_MS / 1000, table=SeriesTable(len(SERIES))))
    made = told.shard
    made.rules = RULES
    made.forget()
    for one in SERIES:
        made.source.table.add(*one)
    feed(made, values(), 0)
    told.reporter.report()
    banks = [told.metric("bank_series", source="push", bank=bank) for bank in ("full", "light")]
    memory_bytes = told.metric("detector_memory_bytes", source="push")
    assert told.metric("series_stopped", source="push") == len(STOPPED)
    assert made.source.table.add(SeriesKey("cpu", "new"), EVIDENCE) == -1
    let_go(made)
    told.reporter.report()
    told.reporter.report()
    assert told.metric("series_evicted_total", source="push") == len(STOPPED)
    assert told.metric("series_stopped", source="push") == 0
    after = [told.metric("bank_series", source="push", bank=bank) for bank in ("full", "light")]
    assert [before - now for before, now in zip(banks, after, strict=True)] == [1, 1]
    assert told.metric("detector_memory_bytes", source="push") < memory_bytes
    assert told.metric("watched_series", source="push") == len(KEPT)
    assert made.source.table.add(SeriesKey("cpu", "new"), EVIDENCE) in STOPPED
    assert [r.message for r in caplog.records if "let go" in r.message] == [
        "series that had stopped were let go source=push series=2 left=4"
    ]


def test_a_case_and_the_scores_show_only_series_that_are_there():
    made = shard()
    let_go(made)
    assert [row.series.service for row in score_rows([made], 10).rows] == ["s0", "s3", "s4", "s5"]
    _, columns, taken = _joined([made.past()], 0, made.told_ms)
    assert [key.service for key in columns] == ["s0", "s3", "s4", "s5"]
    np.testing.assert_array_equal(taken[-1], values()[-1, KEPT].astype(np.float32))
