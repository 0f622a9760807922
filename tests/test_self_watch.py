"""When our own parts become incidents, and when those are over."""

from __future__ import annotations

from aiops._health import Condition
from aiops.model import Event, Incident
from aiops.self_watch import SelfWatch, is_ours, part_of

T0 = 1_700_000_000_000


def bad(since_s=0.0, reason="does not answer", **more):
    return Condition(ok=False, since_ms=T0 + round(since_s * 1000), reason=reason, **more)


def good(since_s=0.0):
    return Condition(ok=True, since_ms=T0 + round(since_s * 1000))


def step(watch, at_s, **parts):
    return watch.step(parts, T0 + round(at_s * 1000))


def test_a_part_is_told_of_within_three_intervals_to_everybody_and_once():
    watch = SelfWatch(["chat", "pager"], {"prom": 15.0})
    assert step(watch, 37.4, prom=bad(), store=bad()) == []
    notes = step(watch, 37.5, prom=bad(), store=bad())
    assert [n.receiver for n in notes] == ["chat", "pager"]
    assert len({n.key for n in notes}) == 2
    (incident,) = {n.incident for n in notes}
    assert (incident.title, incident.severity, incident.services) == (
        "aiops does not see everything: prom: does not answer",
        "critical",
        ("aiops",),
    )
    assert (incident.started_ms, incident.opened_ms, incident.kind) == (T0, T0 + 37_500, "self")
    assert step(watch, 74.9, prom=bad(), store=bad()) == []
    assert [part_of(n.incident) for n in step(watch, 75.0, prom=bad(), store=bad())] == ["store", "store"]


def test_it_is_over_once_the_part_was_well_for_an_interval():
    watch = SelfWatch(["chat"])
    step(watch, 75, store=bad())
    assert step(watch, 129, store=good(100)) == []
    (note,) = step(watch, 130, store=good(100))
    assert (note.reason, note.incident.status, note.incident.resolved_ms) == ("resolved", "resolved", T0 + 100_000)
    assert note.incident.alerts[0].status == "resolved"
    assert step(watch, 200, store=good(100)) == []


def test_a_part_that_is_gone_is_over():
    watch = SelfWatch(["chat"])
    step(watch, 75, store=bad())
    assert [n.reason for n in step(watch, 80)] == ["resolved"]


def test_the_next_trouble_of_a_part_is_another_incident():
    watch = SelfWatch(["chat"])
    (first,) = step(watch, 75, store=bad())
    step(watch, 130, store=good(100))
    (second,) = step(watch, 300, store=bad(200))
    assert first.incident.id != second.incident.id


def test_a_warning_is_told_as_one():
    assert step(SelfWatch(["chat"]), 75, service=bad(is_warning=True))[0].incident.severity == "warning"


def test_after_a_restart_what_was_told_is_not_told_again_and_still_ends():
    (note,) = step(SelfWatch(["chat"]), 75, store=bad())
    again = SelfWatch(["chat"], open_ones=[note.incident])
    assert step(again, 100, store=bad(90)) == []
    assert [n.incident.id for n in step(again, 140, store=good(110))] == [note.incident.id]


def test_other_peoples_incidents_are_none_of_ours():
    theirs = Incident("i1", "open", "t", "warning", 0, 0, alerts=(Event("a", 0, "cart", "alert"),))
    assert not is_ours(theirs)
    assert not is_ours(Incident("i2", "open", "t", "warning", 0, 0))
    assert part_of(theirs) == ""
