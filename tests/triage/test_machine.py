"""The life of an incident: its name, who is told and when, comebacks, causes, its end, and a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.errors import StoreError
from aiops.triage import Again, Ranked, Triage
from aiops.wire import encode
from rca import Ranking, ServiceGraph, Suspect
from tests.triage._told import CHAIN, START_MS, Told, alert, anomaly, ended


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


def test_an_incident_of_which_more_is_known_is_asked_for_again_when_its_turn_comes_and_only_while_it_goes_on():
    told = Told(cause="")
    (incident,) = told.feed(0, alert("A"))
    (incident,) = told.feed(30)
    told.cause = "db"
    wish = Again(incident.id)
    told.feed(40, wish, Again("nobody's"))
    assert told.ranks == [incident.id], "not more often than every half minute"
    told.feed(60)
    told.feed(90)
    assert (told.ranks, told.keys) == ([incident.id] * 3, ["opened:console", "cause-changed-1:console"])
    told.feed(100, alert("A", at_s=100, status="resolved"))
    told.feed(1000)
    (incident,) = told.feed(2000, wish)
    assert (incident.status, len(told.ranks)) == ("resolved", 3)


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
    told.triage.changed()
    assert told.feed(100_000) == [], "forgotten"
    assert told.triage.feed(Ranked(incident.id, Ranking()), START_MS + 100_001_000) == []
    assert told.triage.counts["rankings nobody waits for"] == 2


def test_an_incident_that_ended_before_its_cause_was_known_is_ranked_again_and_nobody_is_told():
    told = Told(cause="")
    told.feed(0, alert("A"))
    (incident,) = told.feed(30)
    told.feed(31, alert("A", at_s=31, status="resolved"))
    told.feed(35)
    told.feed(400)
    told.cause = "db"
    assert told.triage.due_ms() is None
    told.feed(500, Again(incident.id))
    (known,) = told.triage.changed()
    assert (known.status, [s.service for s in known.ranking.suspects]) == ("resolved", ["db"])
    told.cause = "another"
    told.feed(900, Again(incident.id))
    assert told.triage.changed() == []
    assert (len(told.ranks), told.keys) == (2, ["opened:console", "resolved:console"])


def test_a_ranking_that_comes_when_an_incident_is_over_and_its_cause_known_changes_nothing():
    told = Told("db")
    told.feed(0, alert("A"))
    told.feed(30)
    told.feed(31, alert("A", at_s=31, status="resolved"))
    told.feed(400)
    (over,) = told.triage.incidents()
    told.triage.changed()
    late = Ranked(over.id, Ranking((Suspect("another", None, 1.0, 0.9),), unknown=False))
    assert told.triage.feed(late, START_MS + 405_000) == []
    assert (told.triage.incidents(), told.triage.changed()) == ([over], [])


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
    assert told.triage.due_ms() is None
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


def test_a_restart_knows_the_graph_until_a_new_one_is_set():
    told = Told(graph=CHAIN)
    again = Triage()
    again.restore(told.triage.snapshot())
    assert again.graph.distance("a", "c") == 2
    fresh = Triage()
    fresh.graph = ServiceGraph([("x", "y")])
    fresh.restore(told.triage.snapshot())
    assert fresh.graph.services() == ["x", "y"]


@pytest.mark.parametrize("lasted_s", [10, 30, 31, 300])
def test_what_lasted_longer_than_the_group_wait_is_told_although_it_came_with_its_end(lasted_s):
    """We were behind: the beginning and the end come together, minutes after both."""
    told = Told(hold_s=60)
    slow = anomaly("slow", at_s=-600)
    told.feed(0, slow, ended(slow, -600 + lasted_s))
    for at_s in (30, 40, 100):
        told.feed(at_s)
    assert told.keys == (["opened:console", "resolved:console"] if lasted_s > 30 else [])
    assert told.triage.counts["over before the group wait"] == (lasted_s <= 30)


def test_an_anomaly_that_took_long_to_be_known_counts_from_then_on():
    """It goes on for 50 s, of which it was one to us for 20."""
    told = Told(hold_s=60)
    slow = replace(anomaly("slow", at_s=-50), updated_ms=START_MS - 20_000)
    told.feed(0, slow, ended(slow, 0))
    told.feed(30)
    assert told.keys == []
