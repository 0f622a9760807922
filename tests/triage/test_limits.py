"""What everything in triage is limited to."""

from __future__ import annotations

import logging
from dataclasses import replace

from aiops.model import Event
from aiops.triage import gather, group, state
from rca import ServiceGraph
from tests.triage._told import CHAIN, START_MS, Told, alert, anomaly


def test_members_over_the_limit_are_counted_and_still_hold_the_incident():
    told = Told(max_members=3)
    alerts = [alert(f"A{n}", at_s=-n) for n in range(6)]
    told.feed(0, *alerts)
    (incident,) = told.feed(30)
    assert [e.id for e in incident.alerts] == ["A5", "A4", "A3"], "the earliest are kept, whoever came first"
    assert incident.title.endswith("(+3 further)")
    told.feed(40, *[replace(a, status="resolved", time_ms=START_MS + 40_000) for a in alerts[3:]])
    told.feed(400, alerts[0])
    assert told.triage.incidents()[0].status == "open"
    told.feed(500, *[replace(a, status="resolved", time_ms=START_MS + 500_000) for a in alerts[:3]])
    assert told.feed(801)[0].status == "resolved"
    (later,) = [i for i in told.feed(900, alert("B", at_s=900)) if i.status == "forming"]
    assert [e.id for e in later.alerts] == ["B"]


def test_what_is_over_the_limit_links_nothing():
    told = Told(max_members=3, graph=CHAIN)
    told.feed(0, *[alert(f"A{n}", "a", -1) for n in range(2)])
    told.feed(30)
    told.feed(31, alert("B0", "b", 31), alert("B1", "b", 32), alert("B2", "b", 33))
    assert told.feed(40)[0].title.endswith("(+2 further)")
    told.feed(50, alert("C0", "c", 50))
    (incident,) = told.feed(90)
    assert incident.services == ("a", "b"), "c is near b, of which one was kept"
    assert len(told.feed(95, alert("E0", "e", 95))) == 2, "c was not kept, so what is near it alone is not near"


def test_beyond_the_limit_of_ids_too_they_are_only_counted(monkeypatch):
    monkeypatch.setattr(group, "MAX_EXTRA", 1)
    told = Told(max_members=2)
    told.feed(0, *[alert(f"A{n}", at_s=-n) for n in range(6)])
    assert told.feed(30)[0].title.endswith("(+4 further)")


def test_a_storm_takes_in_what_belongs_to_it_and_nothing_else(caplog):
    told = Told(max_active=2, graph=ServiceGraph([("s", "t")]))
    with caplog.at_level(logging.WARNING):
        told.feed(0, *[alert(str(n), f"u{n}", at_s=-n * 300) for n in range(6)])
    incidents = told.feed(30)
    assert len(incidents) == 3
    (storm,) = [i for i in incidents if i.title.startswith("storm, too many")]
    assert len(storm.alerts) == 4
    assert "incident storm limit=2" in caplog.text
    told.feed(31, alert("5", "u5", 31, "resolved"), alert("4", "u4", 31, "resolved"))
    told.feed(340)
    assert len(told.feed(400, alert("new", "u3", 0))) == 4, "with room again a neighbour of the storm is an incident"


def test_an_alert_nobody_repeats_is_ended_with_the_reason_written_into_it(caplog):
    told = Told(max_age_s=7200)
    told.feed(0, alert("A"), anomaly("slow"))
    told.feed(7000, alert("A"))
    with caplog.at_level(logging.WARNING):
        (incident,) = told.feed(7260)
    assert incident.anomalies[0].explanation == "nobody spoke of it for 2 h: taken as ended"
    assert incident.alerts[0].status == "firing"
    (incident,) = told.feed(14_300)
    assert incident.alerts[0].description == "A (nobody spoke of it for 2 h: taken as ended)"
    assert told.triage.counts["aged out"] == 2
    assert told.feed(14_700)[0].status == "resolved"


def test_ids_over_the_limit_age_out_too():
    told = Told(max_age_s=600, max_members=1)
    told.feed(0, alert("A"), alert("B"))
    told.feed(30)
    told.feed(700)
    assert told.feed(1100)[0].status == "resolved"


def test_an_alert_that_aged_out_and_is_told_again_opens_an_incident_with_a_name_of_its_own():
    told = Told(max_age_s=600)
    told.feed(0, alert("A"))
    told.feed(30)
    told.feed(700)
    told.feed(1100)
    told.triage._state.past.clear()
    told.feed(1200, alert("A"))
    first, second = told.feed(1230)
    assert first.id != second.id
    assert told.keys == ["opened:console", "resolved:console", "opened:console"]


def test_limits_on_evidence_and_changes_are_counted(monkeypatch):
    monkeypatch.setattr("aiops.triage.machine.MAX_LOOSE", 2)
    monkeypatch.setattr(gather, "MAX_CHANGES", 1)
    told = Told(graph=CHAIN)
    told.feed(0, *[anomaly(f"e{n}", "z", pages=False) for n in range(3)])
    told.feed(0, *[Event(f"d{n}", START_MS - n, "a", "deploy") for n in range(3)])
    assert (told.triage.counts["evidence over the limit"], told.triage.counts["changes over the limit"]) == (1, 1)
    told.feed(0, anomaly("a", "a"))
    (incident,) = told.feed(30)
    assert [e.id for e in incident.events] == ["d1"], "the nearest of those still known"


def test_what_is_over_is_remembered_only_so_long_and_so_much(monkeypatch):
    monkeypatch.setattr(state, "MAX_PAST", 2)
    told = Told()
    told.feed(0, *[alert(f"A{n}", status="resolved") for n in range(4)])
    assert list(told.triage._state.past) == ["A2", "A3"]
    told.feed(3601)
    assert told.triage._state.past == {}
