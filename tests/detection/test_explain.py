from dataclasses import replace

import numpy as np
import pytest

from aiops.detection.explain import DAY_MS, at_this_hour, explanation, recurrence, silenced_by
from aiops.detection.told import REMEMBERED, Told
from aiops.model import Anomaly, SeriesKey

HOUR_MS = 3_600_000
COLUMNS = np.arange(9)
ODD = Anomaly(
    id="a",
    series=SeriesKey("latency_p95", "cart"),
    kind="latency",
    unit="s",
    went="up",
    pages=True,
    started_ms=40 * DAY_MS,
    updated_ms=40 * DAY_MS,
    ended_ms=None,
    value=1.9,
    expected=0.2,
    lower=0.15,
    upper=0.31,
    surprise=5.0,
    rarity=2.5,
    detectors=(("level", 4.0), ("step", 2.5), ("burst", 1.9), ("drift", float("nan"))),
)


def test_an_explanation_answers_what_a_person_asks_first():
    text = explanation(ODD, [39 * DAY_MS], "at this hour usually 300 ms")
    assert text == (
        "above the usual 150 ms to 310 ms since 10 Feb 00:00 UTC; at this hour usually 300 ms; rarer than once in "
        "90 days on this series; second time in 30 days, always at this hour; detectors that spoke: level, step; "
        "silent with min_absolute above 1.7 or page_budget_per_30d below 0.095"
    )


def test_each_detector_that_spoke_says_how_much_it_counts_on_the_series():
    text = explanation(ODD, counts=(("step", 0.19), ("burst", 0.21), ("level", 0.274), ("drift", 0.326)))
    assert "detectors that spoke: level (counts 27%), step (counts 19%); " in text


def test_what_is_not_known_is_not_said():
    text = explanation(replace(ODD, went="down", detectors=(), rarity=9.0))
    assert text == (
        "below the usual 150 ms to 310 ms since 10 Feb 00:00 UTC; rarer than once in 10 years on this series; "
        "silent with min_absolute above 1.7"
    )


def test_a_band_is_said_without_what_nobody_has_seen():
    ratio = replace(ODD, unit="ratio", value=0.0625, expected=0.006, lower=-0.008, upper=0.02)
    assert explanation(ratio).startswith("above the usual 2% at most since")
    assert explanation(replace(ratio, went="down")).startswith("below the usual -0.8% to 2% since")
    assert explanation(replace(ratio, expected=-0.006)).startswith("above the usual -0.8% to 2% since")
    assert explanation(replace(ODD, lower=0.191, upper=0.191)).startswith("above the usual 191 ms since")


def test_an_absence_says_how_often_it_happened_and_nothing_of_bands():
    nan = float("nan")
    gone = replace(ODD, went="absent", value=nan, expected=nan, lower=nan, upper=nan)
    assert explanation(gone, [39 * DAY_MS - 5 * HOUR_MS]) == (
        "no samples since 10 Feb 00:00 UTC; gaps this long are rarer than once in a thousand samples here; "
        "second time in 30 days"
    )


@pytest.mark.parametrize(
    ("earlier_ms", "said"),
    [
        ([], ""),
        ([9 * DAY_MS], ""),
        ([10 * DAY_MS], "second time in 30 days, always at this hour"),
        ([39 * DAY_MS + 1_800_000], "second time in 30 days, always at this hour"),
        ([39 * DAY_MS - 1_800_000], "second time in 30 days, always at this hour"),
        ([39 * DAY_MS + 1_800_001], "second time in 30 days"),
        ([39 * DAY_MS, 38 * DAY_MS, 37 * DAY_MS + HOUR_MS], "fourth time in 30 days, the third at this hour"),
        ([40 * DAY_MS, 41 * DAY_MS], ""),
        ([39 * DAY_MS + HOUR_MS * (1 + i) for i in range(10)], "11th time in 30 days"),
        ([30 * DAY_MS + HOUR_MS * (1 + i) for i in range(21)], "22nd time in 30 days"),
        ([30 * DAY_MS + HOUR_MS * (1 + i) for i in range(20)], "21st time in 30 days"),
        ([30 * DAY_MS + HOUR_MS * (1 + i) for i in range(22)], "23rd time in 30 days"),
        ([30 * DAY_MS + 60_000 * (31 + i) for i in range(REMEMBERED)], "at least the 33rd time in 30 days"),
    ],
)
def test_how_often_it_happened_before(earlier_ms, said):
    assert recurrence(40 * DAY_MS, earlier_ms) == said


def test_what_would_have_silenced_it_is_named_as_it_is_set():
    assert silenced_by(replace(ODD, pages=False)).endswith("or evidence_budget_per_30d below 0.095")
    assert silenced_by(replace(ODD, value=float("inf"))) == "silent with page_budget_per_30d below 0.095"
    assert silenced_by(replace(ODD, value=float("nan"), rarity=9.0)) == ""


def test_a_season_without_opinion_says_nothing():
    assert at_this_hour("s", float("nan"), float("nan")) == ""


def test_of_each_series_the_latest_starts_are_remembered():
    told = Told()
    for start in range(REMEMBERED + 5):
        told.note(7, start)
    assert told.note(7, 1_000) == tuple(range(5, REMEMBERED + 5))
    assert told.note(8, 1_000) == ()


def test_remembered_starts_survive_as_arrays():
    told = Told()
    told.note(7, 5)
    told.note(2, 3)
    other = Told()
    other.note(1, 1)
    other.from_arrays(told.to_arrays(COLUMNS))
    assert other.fresh == []
    assert (other.note(7, 9), other.note(2, 9), other.note(1, 9)) == ((5,), (3,), ())
    empty = Told()
    empty.from_arrays(Told().to_arrays(COLUMNS))
    assert empty.note(7, 9) == ()


def test_arrays_of_another_shape_are_refused():
    told = Told()
    with pytest.raises(ValueError, match=r"starts must be \(n, 2\)"):
        told.from_arrays({"starts": told.to_arrays(COLUMNS)["starts"][:, :1]})


@pytest.mark.parametrize(
    ("change", "jumped", "begins"),
    [
        ({}, None, "since 10 Feb 00:00 UTC; rarer"),
        ({}, True, "since 10 Feb 00:00 UTC, in one jump; rarer"),
        ({}, False, "since 10 Feb 00:00 UTC, climbing slowly; rarer"),
        ({"went": "down"}, False, "since 10 Feb 00:00 UTC, falling slowly; rarer"),
        ({"ended_ms": 40 * DAY_MS + 600_000}, True, "UTC, in one jump, a spike of 10 min; rarer"),
        ({"ended_ms": 40 * DAY_MS + 601_000}, True, "UTC, in one jump, for 10 min 1 s; rarer"),
        ({"ended_ms": 40 * DAY_MS + 600_000, "flaps": 4}, None, "UTC, for 10 min; flapping, came out again 4 times; r"),
        (
            {"went": "absent", "ended_ms": 40 * DAY_MS + 60_000},
            None,
            "no samples since 10 Feb 00:00 UTC, for 1 min; gap",
        ),
        ({"went": "absent", "flaps": 3}, None, "samples here; flapping, came out again 3 times"),
    ],
)
def test_it_says_how_it_began_how_long_it_took_and_whether_it_flaps(change, jumped, begins):
    assert begins in explanation(replace(ODD, **change), jumped=jumped)
