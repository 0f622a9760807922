"""The second opinion beside a ranking: what it notes, when it speaks, and that it never harms."""

import logging
import re
import threading
from dataclasses import replace

import numpy as np
import pytest

from aiops import config
from aiops.app import ranker
from aiops.second_opinion import SAVED_S, SecondOpinion, notes, with_second_opinion
from rca import Case, Column, Ranking, ServiceGraph, Suspect, Symptom

START_MS = 1_790_000_000_000
COLUMNS = (
    Column("checkout", "latency_p95"),
    Column("checkout", "error_ratio"),
    Column("checkout", "requests_rate"),
    Column("payments", "cpu_cores"),
    Column("payments", "latency_p95", "bank"),
    Column("mail", "queue_depth"),
)
RANKING = Ranking(
    (Suspect("payments", None, 1.0, 0.8), Suspect("mail", None, 0.1, 0.1)), unknown=False, notes=("first",)
)


def case(*, rows=246, abnormal=6, odd=True):
    """Checkout is slow and payments burns CPU in the last rows."""
    values = 1.0 + 0.05 * np.random.default_rng(0).standard_normal((rows, len(COLUMNS)))
    wrong = np.arange(rows) >= rows - abnormal
    if odd:
        values[np.ix_(wrong, [0, 1, 3])] += 5.0
    return Case(
        name="incident",
        times=START_MS + 60_000 * np.arange(rows),
        abnormal=wrong,
        columns=COLUMNS,
        values=values,
        graph=ServiceGraph([("checkout", "payments")]),
        symptom=Symptom("checkout", "latency_p95", "latency"),
        trigger_ms=START_MS + 60_000 * (rows - abnormal),
        step_s=60.0,
    )


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def second_opinion(opinions, *, load=lambda: None, clock=None):
    """One whose libraries are there."""
    one = SecondOpinion(lambda _: RANKING, opinions=opinions, load=load, clock=clock or Clock())
    one(case())
    one.wait_loaded()
    return one


def test_it_names_the_service_that_hurts_and_the_first_suspect_with_numbers():
    said = notes(case(), RANKING)
    assert [line.split(" ")[0] for line in said] == ["checkout's", "payments's", "checkout", "payments"]
    assert said[0].startswith("checkout's 3 signals together are odder than in any of the 240 rows before, mainly ")
    expected = r"checkout latency_p95: a forecast from the 4 h before expected \d{3} ms to 1\.\d+ s; "
    assert re.match(expected, said[2]), said[2]
    assert said[2].endswith("6 of 6 rows lie outside: confirms")
    assert re.match(r"payments cpu_cores: .* expected [\d.]+ cores to [\d.]+ cores; ", said[3]), said[3]


def test_a_call_is_named_with_the_service_it_goes_to():
    only = replace(RANKING, suspects=(Suspect("payments", "latency_p95", 1.0, 0.8),))
    assert notes(case(), only)[-1].startswith("payments latency_p95 to bank: ")


def test_quiet_rows_are_doubted():
    assert notes(case(odd=False), RANKING)[-2].endswith("0 of 6 rows lie outside: doubts")


def test_rows_may_come_in_any_order():
    shuffled = np.random.default_rng(1).permutation(246)
    whole = case()
    mixed = replace(
        whole, times=whole.times[shuffled], abnormal=whole.abnormal[shuffled], values=whole.values[shuffled]
    )
    assert notes(mixed, RANKING) == notes(whole, RANKING)


@pytest.mark.parametrize(
    "odd_one",
    [
        case(rows=12),
        case(abnormal=0),
        replace(case(), columns=(), values=np.zeros((246, 0))),
        replace(case(), values=np.full((246, 6), np.nan)),
        Case(
            "",
            np.zeros(0, np.int64),
            np.zeros(0, bool),
            (),
            np.zeros((0, 0)),
            ServiceGraph(),
            Symptom("", "", "errors"),
            0,
            60.0,
        ),
    ],
)
def test_without_an_opinion_nothing_is_noted(odd_one):
    assert notes(odd_one, RANKING) == []
    assert notes(odd_one, Ranking()) == []


def test_one_service_that_is_both_is_asked_about_once():
    same = replace(RANKING, suspects=(Suspect("checkout", "latency_p95", 1.0, 0.8),))
    assert len(notes(case(), same)) == 2


def test_the_first_ranking_is_answered_before_the_libraries_are_there_and_later_ones_are_noted():
    go_on = threading.Event()
    one = SecondOpinion(lambda _: RANKING, opinions=lambda *_: ["second"], load=go_on.wait, clock=Clock())
    assert one(case()) is RANKING
    assert one(case()) is RANKING
    go_on.set()
    one.wait_loaded()
    assert one(case()) == replace(RANKING, notes=("first", "second"))


def test_waiting_for_an_import_nobody_asked_for_ends_at_once_and_starts_none():
    loads = []
    SecondOpinion(lambda _: RANKING, load=lambda: loads.append(1)).wait_loaded()
    assert loads == []


def test_real_models_only_add_notes():
    one = with_second_opinion(lambda _: RANKING)
    one(case())
    one.wait_loaded()
    noted = one(case())
    assert noted.notes[0] == "first"
    assert len(noted.notes) == 5
    assert replace(noted, notes=RANKING.notes) == RANKING


def test_an_error_costs_the_notes_only_and_the_same_one_is_logged_once(caplog):
    def fail(*_):
        raise ZeroDivisionError("odd rows")

    one = second_opinion(fail)
    with caplog.at_level(logging.WARNING):
        assert [one(case()) for _ in range(3)] == [RANKING] * 3
    assert one.failures == 3
    assert [r.getMessage() for r in caplog.records] == ["second opinion failed count=1"]


def test_libraries_that_cannot_be_imported_are_logged_and_missed_by_nobody(caplog):
    def missing():
        raise ImportError("no such library")

    one = second_opinion(lambda *_: ["second"], load=missing)
    assert one(case()) is RANKING
    assert "libraries cannot be imported" in caplog.text


def test_an_error_of_the_ranker_itself_goes_through():
    def fail(_):
        raise LookupError("ranker")

    with pytest.raises(LookupError, match="ranker"):
        SecondOpinion(fail)(case())


def test_opinions_take_at_most_a_tenth_of_the_time_in_a_storm():
    clock = Clock()

    def slow(*_):
        clock.now_s += 1.0
        return ["second"]

    one = second_opinion(slow, clock=clock)
    spoken = sum(one(case()) != RANKING for _ in range(50))
    # Each second of opinion earns a tenth of one.
    assert spoken == SAVED_S + 1
    clock.now_s += 20.0
    assert [one(case()) != RANKING for _ in range(4)] == [True, True, False, False]


def test_a_long_rest_saves_up_no_more_than_the_limit():
    clock = Clock()

    def slow(*_):
        clock.now_s += SAVED_S
        return ["second"]

    one = second_opinion(slow, clock=clock)
    clock.now_s += 1e6
    assert [one(case()) != RANKING for _ in range(3)] == [True, True, False]


def test_it_is_on_unless_the_settings_say_otherwise():
    assert isinstance(ranker(config.parse("", where="t", environment={})), SecondOpinion)
    off = config.parse("detection: {second_opinion: false}", where="t", environment={})
    assert not isinstance(ranker(off), SecondOpinion)
