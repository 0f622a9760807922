"""Pulled series over a restart that lets go of those that have stopped."""

from __future__ import annotations

import numpy as np

from aiops.kafka.frames import Rows, rows_of
from aiops.kafka.rosters import MAX_STREAMS, Rosters
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable

SIGNAL = Signal("latency_p95", "latency", "s")
KEYS = [SeriesKey("latency_p95", name) for name in ("cart", "db", "shop")]
NAMES = tuple((key, SIGNAL) for key in KEYS)


def rows(values, names=(), stream=7, first=0):
    block = Block(np.array([60_000]), np.arange(len(values), dtype=np.int32), np.array([values], float))
    return Rows(stream, "prom", 60.0, 60_000, False, first, tuple(names), rows_of(block)), block


def test_columns_are_numbered_by_their_names_and_those_never_named_are_not_held():
    table, rosters = SeriesTable(), Rosters()
    table.add(*NAMES[2])
    assert rosters.columns(*rows([1, 2, 3], NAMES), table).tolist() == [1, 2, 0]
    assert rosters.columns(*rows([1, 2, 3, 4]), table).tolist() == [1, 2, 0, -1]
    assert rosters.unnamed == 1
    assert rosters.columns(*rows([1, np.nan], stream=8), table).tolist() == [-1, -1]
    assert rosters.unnamed == 2, "what has no value is not missed"


def test_a_series_that_was_let_go_of_comes_back_with_its_first_value():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    rosters.columns(*rows([1, 2, 3], NAMES[2:], first=2), table)
    # The bank has not seen the third series yet; of the first two, one has stopped.
    data = rosters.snapshot({"prom": np.array([False, True])}, {"prom": table})
    after, fresh = Rosters.restored(data), SeriesTable()
    for key in KEYS[1:]:
        fresh.add(key, SIGNAL)
    assert after.columns(*rows([np.nan, 2, 3]), fresh).tolist() == [-1, 0, 1]
    assert after.columns(*rows([1, 2, 3]), fresh).tolist() == [2, 0, 1]
    assert fresh.key(2) == KEYS[0]


def test_what_is_gone_stays_named_over_a_second_restart():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    once = Rosters.restored(rosters.snapshot({"prom": np.array([False, True])}, {"prom": table}))
    left = SeriesTable()
    left.add(*NAMES[1])
    twice = Rosters.restored(once.snapshot({"prom": np.array([True])}, {"prom": left}))
    assert twice.columns(*rows([1, 2]), left).tolist() == [1, 0]


def test_a_series_that_there_is_no_room_for_is_refused_and_not_unnamed():
    table, rosters = SeriesTable(1), Rosters()
    assert (rosters.columns(*rows([1, 2], NAMES[:2]), table) < 0).tolist() == [False, True]
    assert (table.refused, rosters.unnamed) == (1, 0)


def test_only_the_latest_streams_of_a_source_are_remembered():
    table, rosters = SeriesTable(), Rosters()
    for stream in range(MAX_STREAMS + 1):
        rosters.columns(*rows([1], NAMES[:1], stream=stream), table)
    assert rosters.columns(*rows([1], stream=1), table).tolist() == [0]
    assert rosters.columns(*rows([1], stream=0), table).tolist() == [-1]
