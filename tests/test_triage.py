from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import pytest

from aiops import _triage_gather, _triage_group, _triage_state
from aiops._triage_title import describe, severity, title
from aiops.errors import StoreError
from aiops.model import Anomaly, Event, SeriesKey
from aiops.triage import Rank, Ranked, Send, Tick, Triage, TriageSettings
from aiops.wire import encode
from rca import Ranking, ServiceGraph, Suspect

START_MS = 1_700_000_000_000
CHAIN = ServiceGraph([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")])


def alert(name, service="cart", at_s=0, status="firing", **more):
    return Event(name, START_MS + at_s * 1000, service, "alert", name, status=status, **more)


def anomaly(name, service="cart", at_s=0, *, pages=True, **more):
    series = SeriesKey(more.pop("signal", "latency_p95"), service, more.pop("peer", ""))
    start_ms = START_MS + at_s * 1000
    numbers = {"value": 2.0, "expected": 0.5, "lower": 0.4, "upper": 0.6, "surprise": 9.0, "rarity": 2.0} | more
    kind = numbers.pop("kind", "latency")
    went = numbers.pop("went", "up")
    return Anomaly(name, series, kind, "s", went, pages, start_ms, start_ms, None, **numbers)


def ended(item, at_s):
    return replace(item, updated_ms=START_MS + at_s * 1000, ended_ms=START_MS + at_s * 1000)


class Told:
    """A triage with its clock in seconds; rankings are answered with `cause`, or not at all if it is None."""

    def __init__(self, cause="", graph=None, **settings):
        self.triage = Triage(TriageSettings(**settings))
        self.triage.graph = graph or ServiceGraph()
        self.cause = cause
        self.keys: list[str] = []
        self.ranks: list[str] = []

    def feed(self, at_s, *items, muted=""):
        for item in (*items, Tick()):
            self._take(self.triage.feed(item, START_MS + round(at_s * 1000), muted), at_s)
        return self.triage.incidents()

    def _take(self, actions, at_s):
        for action in actions:
            if isinstance(action, Send):
                self.keys.append(action.notification.key.split(":", 1)[1])
                continue
            assert isinstance(action, Rank)
            self.ranks.append(action.incident.id)
            if self.cause is not None:
                found = (Suspect(self.cause, None, 1.0, 0.9),) if self.cause else ()
                answer = Ranked(action.incident.id, Ranking(found, unknown=not found))
                self._take(self.triage.feed(answer, START_MS + round(at_s * 1000)), at_s)


def test_a_group_that_grew_by_merging_is_compared_again():
    """x is near c but too early for it, and in time for a but too far from it: it belongs to both together."""
    items = [anomaly("a", "a", -20 * 60), anomaly("c", "c", -6 * 60), anomaly("x", "e", -35 * 60)]
    for order in itertools.permutations(items):
        (incident,) = Told(graph=CHAIN).feed(0, *order)
        assert [m.id for m in incident.anomalies] == ["x", "a", "c"]


def test_three_calls_apart_or_a_quarter_of_an_hour_later_is_another_incident():
    told = Told(graph=CHAIN)
    assert len(told.feed(0, anomaly("a", "a"), anomaly("d", "d"))) == 2
    late = Told(graph=CHAIN)
    late.feed(0, anomaly("a", "a", -1000))
    assert len(late.feed(1, anomaly("b", "b", -100))) == 1
    apart = Told(graph=CHAIN)
    apart.feed(0, anomaly("a", "a", -1000))
    assert len(apart.feed(1, anomaly("b", "b", -99))) == 2


def test_one_and_the_same_service_belongs_together_as_long_as_it_lasts():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("a", "a"))
    told.feed(40)
    assert len(told.feed(3600, alert("later", "a", 3600))) == 1


def test_a_name_nobody_knows_is_near_itself_only_after_two_minutes():
    assert len(Told().feed(0, alert("1", "p", 0), alert("2", "q", -120))) == 1
    assert len(Told().feed(0, alert("1", "p", 0), alert("2", "q", -121))) == 2
    assert len(Told(graph=CHAIN).feed(0, alert("1", "p"), alert("2", "a"))) == 2


def test_what_names_no_service_connects_nothing():
    told = Told(graph=CHAIN)
    assert len(told.feed(0, anomaly("1", ""), anomaly("2", ""))) == 2
    assert len(told.feed(40)) == 2


def test_an_anomaly_of_a_call_without_a_caller_belongs_to_its_callee():
    (incident,) = Told(graph=CHAIN).feed(0, anomaly("1", "", peer="b"), anomaly("2", "a"))
    assert incident.services == ("a", "b")


def test_the_incident_has_the_name_of_its_earliest_member_and_keeps_it():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("z", "a", -5), anomaly("b", "b", -10))
    (named,) = told.feed(30)
    (grown,) = told.feed(31, anomaly("first", "c", -60))
    assert grown.id == named.id == Told().feed(0, anomaly("b", "b", -10))[0].id
    assert grown.started_ms == START_MS - 60_000


def test_an_alert_that_fires_again_under_its_own_id_is_a_comeback():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(35)
    for at_s in (60, 120, 180):
        told.feed(at_s, alert("A", at_s=at_s, status="resolved"))
        told.feed(at_s + 30, alert("A", at_s=at_s + 30))
    (incident,) = told.triage.incidents()
    assert (incident.flaps, incident.status, told.keys) == (3, "flapping", ["opened:console", "flapping:console"])


def test_two_stretches_of_one_series_count_as_a_flap_whichever_came_first():
    one, two = ended(anomaly("1", at_s=-60), -30), anomaly("2", at_s=-10)
    for order in ((one, two), (two, one)):
        assert Told().feed(0, *order)[0].flaps == 1
    assert Told().feed(0, anomaly("1", at_s=-60), anomaly("2", at_s=-10))[0].flaps == 0


def test_the_hold_doubles_with_the_flaps_and_not_beyond_its_limit():
    def stretches(count):
        """One alert, fired and resolved `count` times after the first."""
        told = Told(hold_s=100, max_hold_factor=4)
        told.feed(0, alert("A"))
        told.feed(35)
        for number in range(count):
            told.feed(40 + 2 * number, alert("A", at_s=40 + 2 * number, status="resolved"))
            told.feed(41 + 2 * number, alert("A", at_s=41 + 2 * number))
        end_s = 41 + 2 * count
        told.feed(end_s, alert("A", at_s=end_s, status="resolved"))
        return next(s for s in range(2000) if told.feed(end_s + s)[0].status == "resolved")

    assert [stretches(n) for n in (0, 2, 3, 6, 12)] == [100, 100, 200, 400, 400]


def test_flaps_longer_ago_than_an_hour_do_not_count():
    told = Told(hold_s=7200)
    told.feed(0, alert("A"))
    told.feed(35)
    for number in range(4):
        at_s = 100 + number * 1900
        told.feed(at_s, alert("A", at_s=at_s, status="resolved"))
        told.feed(at_s + 10, alert("A", at_s=at_s + 10))
    (incident,) = told.triage.incidents()
    assert (incident.flaps, incident.status) == (4, "open")


def test_each_receiver_is_told_once_under_keys_that_a_replay_gives_again():
    def story():
        told = Told(receivers=("pager", "chat"))
        told.feed(0, alert("A"))
        told.feed(30)
        told.feed(60, alert("A", at_s=60, status="resolved"))
        told.feed(400)
        return told.keys

    assert story() == story() == ["opened:pager", "opened:chat", "resolved:pager", "resolved:chat"]


def test_rankings_of_a_growing_incident_are_asked_for_every_half_minute_at_most():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("0", "a"))
    told.feed(30)
    for second in range(31, 95):
        told.feed(second, anomaly(f"m{second}", "a", second))
    assert len(told.ranks) == 3
    for second in range(95, 400):
        told.feed(second, replace(anomaly("m94", "a", 94), updated_ms=START_MS + second * 1000, value=3.0))
    assert len(told.ranks) == 4, "a member told again is no news for the ranker"


def test_each_change_of_the_cause_has_a_key_of_its_own():
    told = Told("a", graph=CHAIN)
    told.feed(0, anomaly("0", "a"))
    told.feed(30)
    for at_s, cause in ((100, "b"), (200, "c")):
        told.cause = cause
        told.feed(at_s, anomaly(cause, cause, at_s))
        told.feed(at_s + 30)
        told.feed(at_s + 60)
    assert told.keys == ["opened:console", "cause-changed-1:console", "cause-changed-2:console"]


def test_a_ranking_that_comes_after_the_time_out_is_news_once_it_is_confirmed():
    told = Told(None, graph=CHAIN)
    told.feed(0, anomaly("0", "a"))
    (incident,) = told.feed(30)
    told.feed(40)
    told.cause = "a"
    late = Ranked(incident.id, Ranking((Suspect("a", None, 1.0, 0.9),), unknown=False))
    assert told.triage.feed(late, START_MS + 45_000) == []
    told.feed(61)
    assert told.keys == ["opened:console", "cause-changed-1:console"]


def test_an_answer_nobody_waits_for_is_counted():
    told = Told()
    assert told.triage.feed(Ranked("nobody", Ranking()), START_MS) == []
    told.feed(0, alert("A"))
    (incident,) = told.feed(30)
    told.feed(31, alert("A", at_s=31, status="resolved"))
    told.feed(400)
    assert told.triage.feed(Ranked(incident.id, Ranking()), START_MS + 401_000) == []
    assert told.triage.counts["rankings nobody waits for"] == 2


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


def test_beyond_the_limit_of_ids_too_they_are_only_counted(monkeypatch):
    monkeypatch.setattr(_triage_group, "MAX_EXTRA", 1)
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


def test_times_in_the_future_are_now():
    (incident,) = Told().feed(0, alert("A", at_s=10**7), anomaly("slow", at_s=10**6))
    assert incident.started_ms == START_MS


def test_a_clock_that_jumps_back_delays_nothing_for_long():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(-86_400)
    told.feed(-86_400 + 30)
    assert told.keys == ["opened:console"]


def test_a_resolve_without_a_time_counts_from_when_it_was_heard():
    told = Told()
    told.feed(0, alert("A"))
    told.feed(35)
    told.feed(60, alert("A", at_s=0, status="resolved"))
    told.feed(120, alert("A", at_s=0))
    (incident,) = told.feed(361)
    assert (incident.status, incident.resolved_ms) == ("resolved", START_MS + 60_000)


def test_mute_is_lifted_by_the_first_word_that_is_not_muted_and_says_it_goes_on():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("a", "a"), muted="history")
    assert told.feed(40)[0].muted == "history"
    assert told.keys == []
    told.feed(50, anomaly("b", "b", 50), muted="history")
    assert told.feed(60)[0].muted == "history"
    told.feed(70, ended(anomaly("b", "b", 50), 70))
    assert told.feed(71)[0].muted == "history", "an end is no news of something that goes on"
    told.feed(80, anomaly("c", "c", 80))
    assert told.feed(81)[0].muted == ""
    assert told.keys == ["opened:console"]


def test_what_was_muted_all_its_life_is_recorded_and_never_told():
    told = Told()
    told.feed(0, alert("A"), muted="maintenance")
    told.feed(30)
    told.feed(60, alert("A", at_s=60, status="resolved"), muted="maintenance")
    (incident,) = told.feed(400)
    assert (incident.status, incident.muted, told.keys) == ("resolved", "maintenance", [])
    assert [i.id for i in told.triage.changed()] == [incident.id]


def test_changed_gives_what_was_opened_and_changed_since_the_last_time():
    told = Told()
    told.feed(0, alert("A"))
    assert told.triage.changed() == []
    told.feed(30)
    assert [i.status for i in told.triage.changed()] == ["open"]
    told.feed(31, alert("A"))
    assert told.triage.changed() == [], "a repetition is no change"
    told.feed(32, alert("A", at_s=32, status="resolved"))
    assert [i.alerts[0].status for i in told.triage.changed()] == ["resolved"]


def test_an_incident_over_is_forgotten_after_a_while_but_not_before_it_was_saved():
    told = Told(keep_resolved_s=600)
    told.feed(0, alert("A"))
    told.feed(30)
    told.feed(31, alert("A", at_s=31, status="resolved"))
    told.feed(400)
    assert len(told.feed(2000)) == 1
    told.triage.changed()
    assert told.feed(2001) == []


def test_due_says_when_time_will_bring_something():
    told = Told(None)
    assert told.triage.due_ms() is None
    told.triage.feed(alert("A"), START_MS)
    assert told.triage.due_ms() == START_MS
    for at_s, due_s in ((0, 30), (30, 40), (40, None)):
        told.feed(at_s)
        assert told.triage.due_ms() == (None if due_s is None else START_MS + due_s * 1000)
    told.feed(50, alert("A", at_s=50, status="resolved"))
    assert told.triage.due_ms() == START_MS + 350_000
    told.feed(55, alert("B", at_s=55))
    assert told.triage.due_ms() == START_MS + 60_000, "a refreshed ranking, half a minute after the first"


def test_a_new_graph_connects_what_still_forms():
    told = Told(graph=CHAIN)
    assert len(told.feed(0, anomaly("p", "p"), anomaly("a", "a"))) == 2
    told.triage.graph = ServiceGraph([("p", "a")])
    assert len(told.feed(1)) == 1


def test_limits_on_evidence_and_changes_are_counted(monkeypatch):
    monkeypatch.setattr("aiops.triage.MAX_LOOSE", 2)
    monkeypatch.setattr(_triage_gather, "MAX_CHANGES", 1)
    told = Told(graph=CHAIN)
    told.feed(0, *[anomaly(f"e{n}", "z", pages=False) for n in range(3)])
    told.feed(0, *[Event(f"d{n}", START_MS - n, "a", "deploy") for n in range(3)])
    assert (told.triage.counts["evidence over the limit"], told.triage.counts["changes over the limit"]) == (1, 1)
    told.feed(0, anomaly("a", "a"))
    (incident,) = told.feed(30)
    assert [e.id for e in incident.events] == ["d1"], "the nearest of those still known"


def test_what_is_over_is_remembered_only_so_long_and_so_much(monkeypatch):
    monkeypatch.setattr(_triage_state, "MAX_PAST", 2)
    told = Told()
    told.feed(0, *[alert(f"A{n}", status="resolved") for n in range(4)])
    assert list(told.triage._state.past) == ["A2", "A3"]
    told.feed(3601)
    assert told.triage._state.past == {}


def test_evidence_that_begins_to_page_opens_an_incident():
    told = Told()
    assert told.feed(0, anomaly("a", pages=False)) == []
    (incident,) = told.feed(1, replace(anomaly("a"), updated_ms=START_MS + 1000))
    assert [a.id for a in incident.anomalies] == ["a"]


def test_late_words_about_an_anomaly_change_nothing():
    told = Told()
    told.feed(0, anomaly("a"))
    told.feed(5, replace(anomaly("a"), updated_ms=START_MS + 5000, value=9.0))
    assert told.feed(6, anomaly("a"))[0].anomalies[0].value == 9.0
    told.feed(35)
    told.feed(40, ended(anomaly("a"), 40))
    told.feed(41, replace(anomaly("a"), updated_ms=START_MS + 41_000))
    assert told.feed(42)[0].anomalies[0].ended_ms == START_MS + 40_000


def test_a_snapshot_of_another_version_is_refused():
    with pytest.raises(StoreError, match="version 9"):
        Triage().restore(b"\x09" + encode(alert("A"))[1:])


def test_severity_comes_from_what_alerts_say_and_from_errors_users_see():
    assert severity([], [alert("A", labels=(("severity", "Critical"),))]) == "critical"
    assert severity([], [alert("A", labels=(("team", "critical"),))]) == "warning"
    assert severity([anomaly("a", kind="errors")], []) == "critical"
    assert severity([anomaly("a", kind="errors", pages=False), anomaly("b")], []) == "warning"


def test_the_title_says_what_users_feel_first():
    slow, failing = anomaly("a", "cart"), anomaly("b", "shop", signal="error_ratio", kind="errors", rarity=0.5)
    assert title([slow, failing], [], ["cart", "shop"]) == "shop: error ratio 2 s (4.0x) and 1 more service"
    assert title([anomaly("c", pages=False)], [alert("A")], ["cart"]) == "cart: A"
    assert title([], [alert("A", ""), alert("B", "", -5)], []) == "B"
    assert title([], [alert("A", "", -5, "resolved"), alert("B", "")], []) == "B"
    assert title([], [], []) == "nothing that hurts is known"
    nan = float("nan")
    assert describe(anomaly("a", went="absent", value=nan)) == "no more p95 latency"
    assert describe(anomaly("a", expected=0.0)) == "p95 latency 2 s, normally 0 s"
    assert describe(anomaly("a", expected=nan, peer="db")) == "p95 latency to db 2 s"
