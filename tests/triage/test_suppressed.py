"""Every alert and deviation that nobody is told of by itself is listed with its reason."""

from __future__ import annotations

from aiops.policy import Quiet
from tests.triage._told import CHAIN, START_MS, Told, alert, anomaly


def listed(told):
    return [(s.item_id, s.reason, s.count) for s in told.triage.suppressed()]


def test_dependents_are_listed_in_the_incident_of_their_cause():
    told = Told(graph=CHAIN)
    told.feed(10, alert("root", "c"), alert("mid", "b", 5), alert("top", "a", 10))
    assert listed(told) == []
    (incident,) = told.feed(40)
    assert [(s.item_id, s.reason, s.incident_id) for s in told.triage.suppressed()] == [
        ("mid", "listed in its incident", incident.id),
        ("top", "listed in its incident", incident.id),
    ]
    told.feed(60, alert("late", "a", 60))
    assert listed(told) == [("late", "listed in its incident", 1)]


def test_repetitions_are_counted_and_so_are_comebacks():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(40, alert("A"), alert("A"))
    assert listed(told) == [("A", "repeated while it was known to fire", 2)]
    told.feed(60, alert("A", at_s=60, status="resolved"))
    told.feed(70, alert("A", at_s=70))
    assert listed(told) == [("A", "came back: counted in its incident", 1)]


def test_what_is_over_before_the_group_wait_is_listed_with_the_wait():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(10, alert("A", at_s=10, status="resolved"))
    told.feed(31)
    assert listed(told) == [("A", "over before the group wait of 30 s", 1)]


def test_what_is_muted_says_why_and_what_is_quiet_says_who_said_so():
    told = Told()
    told.feed(0, alert("A"), muted="maintenance: new disks")
    told.feed(31)
    assert listed(told) == [("A", "nobody is told: maintenance: new disks", 1)]
    told.triage.feed(alert("B", "db"), START_MS + 40_000, "", Quiet("noise, says ann", None))
    (one,) = told.triage.suppressed()
    assert (one.subject, one.service, one.reason, one.last_ms) == (
        "alert B of db",
        "db",
        "noise, says ann",
        START_MS + 40_000,
    )


def test_a_late_word_about_what_is_over_is_listed():
    told = Told(hold_s=10)
    told.feed(0, anomaly("x"), alert("A", "x1"))
    told.feed(40)
    told.feed(50, alert("A", "x1", at_s=50, status="resolved"))
    told.feed(70)
    told.triage.suppressed()
    told.feed(80, alert("A", "x1"))
    assert listed(told) == [("A", "told late: it was over already", 1)]


def test_a_message_was_sent_of_what_is_not_listed():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(40)
    assert (told.keys, listed(told)) == (["opened:console"], [])
