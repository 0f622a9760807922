"""Giving, undoing and listing verdicts."""

from __future__ import annotations

import logging

import pytest

from aiops.errors import InputError, NotFound, NotPermitted, StoreError
from tests.test_policy import DAY_MS, SLOW, incident, is_quiet, sized, world


def give(made, answer="noise", who="ann", **more):
    return made.book.give("i1", answer, who=who, via="api", **more)


def test_a_verdict_says_who_when_from_where_and_what_it_changed():
    made = world(incident(SLOW))
    given = give(made, note="backup  runs\nnow")
    one = given.verdict
    assert (one.who, one.via, one.at_ms, one.note) == ("ann", "api", made.now_ms, "backup runs now")
    assert one.until_ms == made.now_ms + 30 * DAY_MS
    (change,) = given.changes
    assert (change.subject, change.before) == ("cart|latency_p95 up", "told")
    assert change.after == "told above 625 ms beyond the expected"


def test_it_is_kept_and_known_after_a_restart():
    made = world(incident(SLOW))
    give(made)
    made.open()
    assert [g.verdict.answer for g in made.book.all()] == ["noise"]
    assert is_quiet(made, sized(1.0))


def test_undone_it_changes_nothing_and_stays_on_the_record():
    made = world(incident(SLOW))
    given = give(made)
    made.now_ms += 60_000
    undone = made.book.undo(given.verdict.id, who="bob", via="page")
    assert (undone.undone_ms, undone.undone_by) == (made.now_ms, "bob")
    assert not is_quiet(made, sized(1.0))
    assert made.book.all()[0].changes == given.changes
    made.now_ms += 60_000
    assert made.book.undo(given.verdict.id, who="eve", via="page") == undone
    made.open()
    assert not is_quiet(made, sized(1.0))


def test_the_same_said_twice_is_said_once_and_may_be_said_again_after_an_undo():
    made = world(incident(SLOW))
    first = give(made)
    assert (first.is_new, give(made).is_new, len(made.book.all())) == (True, False, 1)
    assert give(made, who="bob").is_new
    made.book.undo(first.verdict.id, who="ann", via="api")
    assert give(made).is_new


def test_a_replayed_request_does_not_bring_back_what_was_undone():
    made = world(incident(SLOW))
    first = give(made, key="request-1")
    made.book.undo(first.verdict.id, who="ann", via="api")
    again = give(made, key="request-1")
    assert (again.is_new, again.verdict.undone_by) == (False, "ann")
    assert not is_quiet(made, sized(1.0))
    assert give(made, key="request-2").is_new


def test_people_who_are_not_named_are_refused_and_that_is_logged_and_counted(caplog):
    made = world(incident(SLOW), people=("ann",))
    with caplog.at_level(logging.WARNING), pytest.raises(NotPermitted, match=r"verdicts\.people"):
        give(made, who="mallory\nforged line")
    assert "verdict refused who=mallory forged line via=api" in caplog.text
    given = give(made)
    with pytest.raises(NotPermitted):
        made.book.undo(given.verdict.id, who="mallory", via="api")
    assert (made.book.counts["refused"], made.book.counts["noise"]) == (2, 1)
    assert is_quiet(made, sized(1.0))


@pytest.mark.parametrize(
    ("answer", "who", "name", "error"),
    [
        ("maybe", "ann", "i1", InputError),
        ("noise", " ", "i1", InputError),
        ("noise", "ann", "nope", NotFound),
    ],
)
def test_what_cannot_be_a_verdict_is_refused_in_words(answer, who, name, error):
    made = world(incident(SLOW))
    with pytest.raises(error):
        made.book.give(name, answer, who=who, via="api")
    assert made.book.all() == []


def test_an_unknown_verdict_cannot_be_undone():
    with pytest.raises(NotFound):
        world(incident(SLOW)).book.undo("nope", who="ann", via="api")


def test_when_the_store_is_full_nothing_has_changed():
    made = world(incident(SLOW))
    made.shelf.is_full = True
    with pytest.raises(StoreError):
        give(made)
    assert made.book.all() == []
    assert not is_quiet(made, sized(1.0))
    made.shelf.is_full = False
    assert give(made).is_new


def test_a_preview_says_what_would_change_and_changes_nothing():
    made = world(incident(SLOW))
    assert made.book.preview("i1", "noise") == give(made).changes
    assert made.book.preview("i1", "real")[0].after == "told, at any time from 400 ms on"
    assert len(made.book.all()) == 1


def test_the_later_verdict_stands_above_the_earlier():
    made = world(incident(SLOW))
    give(made)
    give(made, "real", who="bob")
    assert [g.verdict.answer for g in made.book.all()] == ["real", "noise"]
    assert not is_quiet(made, sized(1.0))
    assert [g.verdict.answer for g in made.book.of_incident("i1")] == ["real", "noise"]
    assert made.book.of_incident("i2") == []
