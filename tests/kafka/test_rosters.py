"""Pulled series while those that have stopped are let go, and over a restart."""

from __future__ import annotations

from dataclasses import replace

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


def let_go(rosters, table, *numbers):
    table.ask(numbers)
    rosters.let_go("prom", table)


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
    rosters.columns(*rows([1, 2], NAMES[:2], stream=8), table)
    let_go(rosters, table, 0)
    assert table.unnamed == (0,)
    assert rosters.columns(*rows([np.nan, 2, 3], NAMES[2:], first=2), table).tolist() == [-1, 1, 2]
    table.free([0])
    assert rosters.columns(*rows([1, 2, 3]), table).tolist() == [0, 1, 2]
    assert rosters.columns(*rows([np.nan, 2], stream=8), table).tolist() == [-1, 1], "each stream hears of it by itself"
    assert rosters.columns(*rows([1, 2], stream=8), table).tolist() == [0, 1]
    assert (table.key(0), rosters.unnamed) == (KEYS[0], 0)


def test_a_series_that_is_back_at_once_has_another_number_until_the_old_one_is_cold():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    let_go(rosters, table, 0)
    assert rosters.columns(*rows([1, 2]), table).tolist() == [2, 1]


def test_only_columns_of_the_source_that_lets_go_are_given_up():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    other, block = rows([1, 2], NAMES[:2], stream=8)
    elsewhere = SeriesTable()
    rosters.columns(replace(other, source="other"), block, elsewhere)
    let_go(rosters, table, 0)
    assert rosters.columns(replace(other, names=(), source="other"), block, elsewhere).tolist() == [0, 1]


def test_a_snapshot_numbers_columns_as_the_series_will_be_numbered():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2, 3], NAMES), table)
    let_go(rosters, table, 0)
    table.free([0])
    # The bank has not seen the second series yet.
    after, fresh = Rosters.restored(rosters.snapshot({"prom": np.array([2, 1])})), SeriesTable()
    for key in (KEYS[2], KEYS[1]):
        fresh.add(key, SIGNAL)
    assert after.columns(*rows([np.nan, 2, 3]), fresh).tolist() == [-1, 1, 0]
    assert after.columns(*rows([1, 2, 3]), fresh).tolist() == [2, 1, 0]


def test_what_is_gone_stays_named_over_a_second_restart():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    let_go(rosters, table, 0)
    once = Rosters.restored(rosters.snapshot({"prom": np.array([1])}))
    left = SeriesTable()
    left.add(*NAMES[1])
    twice = Rosters.restored(once.snapshot({"prom": np.array([0])}))
    assert twice.columns(*rows([1, 2]), left).tolist() == [1, 0]


def test_a_name_that_is_read_again_brings_nothing_back():
    table, rosters = SeriesTable(), Rosters()
    rosters.columns(*rows([1, 2], NAMES[:2]), table)
    let_go(rosters, table, 0)
    assert rosters.columns(*rows([np.nan, 2], NAMES[:2]), table).tolist() == [-1, 1]
    assert rosters.columns(*rows([1, 2], NAMES[:2]), table).tolist() == [2, 1]


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
