"""What recurs by the clock: it is forgiven, counted, and explained."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.machine import Detection
from aiops.detection.rules import DetectionRules
from aiops.model import Block
from aiops.wire import pack_arrays, unpack_arrays
from tests.detection._world import LATENCY, quiet_values, table_of

MONDAY_MS = 1_699_833_600_000  # 13 November 2023
MINUTE_MS = 60_000
DAY = 1_440


def minutes(values, first_row=0):
    times = MONDAY_MS + MINUTE_MS * np.arange(first_row, first_row + len(values))
    return Block(times, np.array([0], np.int32), values)


def job_values(days, on, height=1.0, seed=1):
    """A quiet latency, minute by minute, with twenty slow minutes at two in the night of some days."""
    values = quiet_values(days * DAY, [0.2], seed)
    for day in on:
        values[day * DAY + 120 : day * DAY + 140] += height
    return values


def watch(**rules):
    return Detection(table_of(("cart", LATENCY)), 60.0, DetectionRules(**rules))


def days_told(found):
    return sorted({round((a.started_ms - MONDAY_MS) / 86_400_000, 2) for a in found})


WEEKLY = [9, 16, 23, 30, 37]
"""Five Wednesdays; the week before them is quiet."""


def test_what_came_in_three_weeks_is_forgiven_and_counted_and_a_worse_one_is_not():
    values = job_values(45, WEEKLY)
    values[44 * DAY + 125 : 44 * DAY + 140] += 5.0
    detection = watch()
    assert days_told(detection.feed(minutes(values))) == [9.08, 16.08, 23.08, 44.09]
    assert detection.forgiven == 2


def test_the_same_at_another_hour_or_on_another_day_is_told():
    values = job_values(40, WEEKLY)
    values[39 * DAY + 120 : 39 * DAY + 140] += 1.0
    values[37 * DAY + 720 : 37 * DAY + 740] += 1.0
    assert days_told(watch().feed(minutes(values))) == [9.08, 16.08, 23.08, 37.5, 39.08]


def test_history_teaches_what_recurs_and_forgives_nothing_aloud():
    values = job_values(38, WEEKLY)
    detection = watch()
    detection.learn(minutes(values[: 25 * DAY]))
    assert detection.forgiven == 0
    assert detection.feed(minutes(values[25 * DAY :], 25 * DAY)) == []
    assert detection.forgiven == 2


def test_what_recurs_survives_a_restart_at_any_row():
    values = job_values(31, WEEKLY[:-1])
    taught = watch()
    taught.learn(minutes(values[: 30 * DAY]))
    saved = pack_arrays(taught.snapshot())
    whole = taught.feed(minutes(values[30 * DAY :], 30 * DAY))
    for cut in (1, 120, 121, 125, 139, 141):
        first = watch()
        first.restore(unpack_arrays(saved))
        found = first.feed(minutes(values[30 * DAY : 30 * DAY + cut], 30 * DAY))
        second = watch()
        second.restore(unpack_arrays(pack_arrays(first.snapshot())))
        second.resume(first.active())
        found += second.feed(minutes(values[30 * DAY + cut :], 30 * DAY + cut))
        assert found == whole
        assert first.forgiven + second.forgiven == taught.forgiven == 1


def test_an_explanation_says_what_is_usual_at_this_hour():
    values = job_values(5, [4])
    values[np.arange(len(values)) // 60 % 24 == 2] *= 0.5
    found = watch().feed(minutes(values))
    assert re.search(r"; at this hour usually 1\d\d ms; ", found[0].explanation)
    early = watch()
    early.learn(minutes(values[: DAY - 60]))
    sudden = quiet_values(30, [0.2], seed=9)
    sudden[5:] += 1.0
    assert "at this hour" not in early.feed(minutes(sudden, DAY - 60))[0].explanation


def test_a_wide_range_is_said_as_a_range():
    values = quiet_values(5 * DAY, [0.2])
    values[np.arange(len(values)) % 2 == 0] *= 0.5
    values[4 * DAY + 600 : 4 * DAY + 640] += 5.0
    found = watch().feed(minutes(values))
    assert re.search(r"at this hour usually \d+ ms to 2\d\d ms", found[0].explanation)


@pytest.mark.parametrize("offset_h", [0, -8])
def test_weekends_are_those_of_the_local_clock(offset_h):
    detection = watch(utc_offset_s=3600.0 * offset_h)
    detection.feed(minutes(quiet_values(DAY, [0.2])))
    assert (detection.ensemble.season.snapshot()["days"][0, 1] > 0.0) == (offset_h < 0)


@pytest.mark.parametrize("signal", [LATENCY, replace(LATENCY, pages=False)])
def test_a_slow_climb_is_told_against_what_is_usual_at_this_hour(signal):
    detection = Detection(table_of(("cart", signal)), 60.0)
    values = quiet_values(4 * DAY, [0.2])
    values[3 * DAY + 600 : 3 * DAY + 660, 0] += 0.02 * np.arange(60)
    first = detection.feed(minutes(values))[0]
    assert re.match(r"above the usual [^;]*UTC, climbing slowly; ", first.explanation)
    # No row goes far beyond the one before it: the rows before are no measure of it.
    assert first.expected == pytest.approx(0.2, rel=0.1)
    assert first.updated_ms - first.started_ms <= 3 * MINUTE_MS
    assert first.started_ms <= MONDAY_MS + (3 * DAY + 615) * MINUTE_MS
