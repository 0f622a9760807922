"""What a rule keeps quiet is evidence: it opens nothing, joins what is near, and speaks once its time is over."""

from __future__ import annotations

from dataclasses import replace

from aiops.policy import Quiet
from aiops.triage import Tick, Triage, TriageSettings
from tests.triage._told import CHAIN, START_MS, Told, alert, anomaly, ended


class Hushed(Told):
    """Feeds things as quiet for so many seconds, None = until they grow."""

    def quiet(self, at_s, item, for_s=None):
        until_ms = None if for_s is None else START_MS + (at_s + for_s) * 1000
        self._take(self.triage.feed(item, START_MS + at_s * 1000, "", Quiet("noise, says ann", until_ms)), at_s)
        return self.feed(at_s)


def test_a_quiet_alert_that_ends_in_time_opens_nothing():
    told = Hushed()
    assert told.quiet(0, alert("A"), 600) == []
    told.feed(500, alert("A", at_s=500, status="resolved"))
    assert told.feed(601) == []
    assert told.feed(5000) == []
    assert told.keys == []


def test_a_quiet_alert_that_outlasts_its_rule_is_told_after_the_group_wait():
    told = Hushed()
    told.quiet(0, alert("A"), 600)
    assert told.triage.due_ms() == START_MS + 600_000
    assert told.feed(599) == []
    (incident,) = told.feed(600)
    assert incident.status == "forming"
    told.feed(630)
    assert told.keys == ["opened:console"]
    assert told.triage.incidents()[0].started_ms == START_MS


def test_repetitions_of_a_quiet_alert_do_not_put_its_time_off():
    told = Hushed()
    told.quiet(0, alert("A"), 600)
    for at_s in (200, 400, 590):
        told.quiet(at_s, alert("A"), 600)
    assert len(told.feed(600)) == 1


def test_a_quiet_alert_waits_longer_than_other_evidence():
    told = Hushed(evidence_s=100)
    told.quiet(0, alert("A"), 600)
    told.quiet(0, anomaly("x"))
    told.feed(200)
    (incident,) = told.feed(600)
    assert [a.id for a in incident.alerts] == ["A"]
    assert incident.anomalies == (), "an anomaly that is quiet until it grows waits as long as other evidence"


def test_what_is_quiet_joins_an_incident_near_it_and_does_not_hold_it():
    told = Hushed(graph=CHAIN)
    told.quiet(0, alert("Q", "b"), 3000)
    told.feed(10, anomaly("a1", "a", 10))
    (incident,) = told.feed(45)
    assert [a.id for a in incident.alerts] == ["Q"]
    told.feed(60, ended(anomaly("a1", "a", 10), 60))
    assert told.feed(400)[0].status == "resolved"


def test_what_is_quiet_in_an_incident_holds_it_once_its_time_is_over():
    told = Hushed(graph=CHAIN)
    told.quiet(0, alert("Q", "b"), 100)
    told.feed(10, anomaly("a1", "a", 10))
    told.feed(45)
    told.feed(101)
    told.feed(120, ended(anomaly("a1", "a", 10), 120))
    assert told.feed(1000)[0].status == "open"


def test_a_quiet_anomaly_that_grows_beyond_its_rule_opens_an_incident():
    told = Hushed()
    told.quiet(0, anomaly("x"))
    grown = replace(anomaly("x"), updated_ms=START_MS + 60_000, value=9.0)
    assert len(told.feed(60, grown)) == 1
    told.feed(90)
    assert told.keys == ["opened:console"]


def test_who_was_woken_by_it_is_not_told_afterwards_that_it_is_quiet():
    told = Hushed()
    told.feed(0, anomaly("x"))
    told.feed(30)
    told.quiet(60, replace(anomaly("x"), updated_ms=START_MS + 60_000))
    assert told.feed(2000)[0].status == "open"


def test_a_comeback_of_a_quiet_member_is_no_flap():
    told = Hushed(graph=CHAIN)
    told.quiet(0, alert("Q", "b"), 30_000)
    told.feed(10, anomaly("a1", "a", 10))
    told.feed(45)
    for at_s in (100, 200, 300, 400):
        told.feed(at_s, alert("Q", "b", at_s=at_s, status="resolved"))
        told.feed(at_s + 50, alert("Q", "b", at_s=at_s + 50))
    assert (told.triage.incidents()[0].flaps, told.triage.incidents()[0].status) == (0, "open")


def test_a_restart_does_not_forget_until_when_something_is_quiet():
    told = Hushed()
    told.quiet(0, alert("A"), 600)
    again = Triage(TriageSettings())
    again.restore(told.triage.snapshot())
    again.feed(Tick(), START_MS + 1000)
    assert again.due_ms() == START_MS + 600_000
    again.feed(Tick(), START_MS + 600_000)
    assert len(again.incidents()) == 1


def test_a_resolved_quiet_alert_is_not_brought_back_by_a_late_repetition():
    told = Hushed()
    told.quiet(0, alert("A"), 600)
    told.feed(10, alert("A", at_s=10, status="resolved"))
    assert told.feed(20, alert("A")) == []
    assert told.triage.counts["late"] == 1
