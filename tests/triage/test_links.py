"""What belongs to one incident and what does not: by time, by who calls whom, and by what explains it."""

from __future__ import annotations

import itertools

import pytest

from rca import ServiceGraph
from tests.triage._told import CHAIN, Told, alert, anomaly


def test_a_group_that_grew_by_merging_is_compared_again():
    """x depends on nothing that is in time but c1 and c2 together: they are one service, from the first to the last."""
    items = [anomaly("c1", "c", -40 * 60), anomaly("c2", "c", -10 * 60), anomaly("x", "b", -25 * 60)]
    for order in itertools.permutations(items):
        (incident,) = Told(graph=CHAIN).feed(0, *order)
        assert [m.id for m in incident.anomalies] == ["c1", "x", "c2"]


def test_a_group_that_grew_twice_is_compared_twice():
    """a and e are linked only by what lies between them."""
    items = [anomaly("a", "a"), anomaly("e", "e", -6 * 60), anomaly("b", "b", -60), anomaly("d", "d", -5 * 60)]
    for order in itertools.permutations(items):
        (incident,) = Told(graph=CHAIN).feed(0, *order)
        assert len(incident.anomalies) == 4


@pytest.mark.parametrize(
    ("caller_s", "callee_s", "count"),
    [(-100, -1000, 1), (-99, -1000, 2), (-400, -100, 1), (-401, -100, 2)],
    ids=["the caller a quarter of an hour later", "too late", "the cause five minutes later", "too late to be one"],
)
def test_who_depends_on_it_feels_it_later_and_a_cause_is_hardly_heard_of_after_that(caller_s, callee_s, count):
    for order in ((0, 1), (1, 0)):
        items = (anomaly("a", "a", caller_s), anomaly("b", "b", callee_s))
        assert len(Told(graph=CHAIN).feed(0, *(items[i] for i in order))) == count


def test_three_calls_apart_is_another_incident():
    assert len(Told(graph=CHAIN).feed(0, anomaly("a", "a"), anomaly("c", "c"))) == 1
    assert len(Told(graph=CHAIN).feed(0, anomaly("a", "a"), anomaly("d", "d"))) == 2


def test_callers_of_one_service_may_feel_the_same_and_callees_of_one_do_not():
    graph = ServiceGraph([("shop", "cart"), ("shop", "search"), ("cart", "db"), ("search", "db"), ("web", "shop")])
    assert len(Told(graph=graph).feed(0, anomaly("c", "cart", -300), anomaly("s", "search"))) == 1
    assert len(Told(graph=graph).feed(0, anomaly("c", "cart", -301), anomaly("s", "search"))) == 2
    entry = ServiceGraph([("shop", "cart"), ("shop", "search")])
    assert len(Told(graph=entry).feed(0, anomaly("c", "cart"), anomaly("s", "search"))) == 2
    assert len(Told(graph=entry).feed(0, anomaly("c", "cart"), anomaly("s", "search"), anomaly("x", "shop"))) == 1


TWO_ROOTS = ServiceGraph([("shop", "cart"), ("shop", "search")])


@pytest.mark.parametrize(("at_s", "count"), [(400, 2), (100, 1)], ids=["later: its own root", "at once: one"])
def test_what_has_a_root_of_its_own_is_another_incident_even_if_both_are_felt_at_the_same_entry(at_s, count):
    told = Told(graph=TWO_ROOTS)
    told.feed(0, anomaly("c", "cart"), anomaly("x", "shop"))
    told.feed(40)
    found = told.feed(at_s, anomaly("s", "search", at_s), anomaly("x2", "shop", at_s, signal="error_ratio"))
    assert len(found) == count
    assert len(told.feed(at_s + 40)) == count


def test_what_a_new_incident_explains_better_goes_there_and_not_where_the_service_has_long_been_failing():
    told = Told(graph=TWO_ROOTS)
    told.feed(0, anomaly("c", "cart"), anomaly("x", "shop"))
    told.feed(40)
    told.feed(1200, anomaly("s", "search", 1200))
    told.feed(1240)
    found = told.feed(1260, alert("x2", "shop", 1260))
    assert [[m.id for m in (*i.anomalies, *i.alerts)] for i in found] == [["c", "x"], ["s", "x2"]]


def test_one_and_the_same_service_belongs_together_as_long_as_it_lasts():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("a", "a"))
    told.feed(40)
    assert len(told.feed(300, alert("at once", "a", 300))) == 1
    told.feed(800, alert("soon", "a", 800))
    assert len(told.feed(919)) == 2
    assert len(told.feed(920)) == 1
    told.feed(3600, alert("later", "a", 3600))
    assert len(told.feed(3899)) == 2
    assert len(told.feed(3900)) == 1
    assert told.keys == ["opened:console"]


def test_a_new_wave_over_services_that_have_long_been_failing_is_another_incident():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("a", "a"), anomaly("b", "b"))
    told.feed(40)
    told.feed(3600, alert("b2", "b", 3600))
    told.feed(3660, alert("a2", "a", 3660))
    assert told.keys == ["opened:console"] * 2
    assert [len(i.alerts) for i in told.triage.incidents()] == [0, 2]


def test_a_new_wave_shows_within_minutes_too_by_its_second_service():
    told = Told(graph=CHAIN)
    told.feed(0, anomaly("a", "a"), anomaly("b", "b"))
    told.feed(40)
    told.feed(600, alert("b2", "b", 600))
    told.feed(615, alert("a2", "a", 615))
    told.feed(640)
    assert told.keys == ["opened:console"] * 2
    assert [len(i.alerts) for i in told.triage.incidents()] == [0, 2]


def test_a_cause_that_comes_late_must_explain_every_root_that_is_there():
    graph = ServiceGraph([("a", "b"), ("b", "c"), ("a", "x"), ("c", "d"), ("x", "d")])
    told = Told(graph=graph)
    told.feed(0, anomaly("a", "a"), anomaly("b", "b"))
    told.feed(40)
    assert len(told.feed(250, alert("x", "x", 250))) == 2, "b does not depend on it"
    told = Told(graph=graph)
    told.feed(0, anomaly("a", "a"), anomaly("b", "b"))
    told.feed(40)
    assert len(told.feed(250, alert("c", "c", 250))) == 1
    told = Told(graph=graph)
    told.feed(0, anomaly("a", "a"), anomaly("c", "c"))
    told.feed(40)
    assert len(told.feed(250, alert("x", "x", 250))) == 1, "both may have it from d, which says nothing"


def test_what_comes_from_above_takes_in_what_is_on_its_way_down():
    told = Told(graph=ServiceGraph([("a", "b"), ("b", "c"), ("a", "x")]))
    told.feed(10, anomaly("a", "a", 0), anomaly("b", "b", 5), anomaly("c", "c", 10))
    told.feed(40)
    assert len(told.feed(250, alert("x", "x", 250))) == 1


def test_what_comes_back_for_hours_takes_in_no_fault_of_its_neighbours_and_keeps_its_own():
    told = Told(graph=CHAIN)
    at_s = 0
    for n in range(20):
        told.feed(at_s, alert(f"c{n}", "c", at_s, labels=(("alertname", "Flaps"),)))
        told.feed(at_s + 40)
        told.feed(at_s + 60, alert(f"c{n}", "c", at_s + 60, "resolved", labels=(("alertname", "Flaps"),)))
        at_s += 200
    told.feed(at_s, alert("a", "a", at_s), alert("b", "b", at_s))
    told.feed(at_s + 40)
    told.feed(at_s + 50, alert("c20", "c", at_s + 50, labels=(("alertname", "Flaps"),)))
    flapping, fault = told.feed(at_s + 100)
    assert (len(flapping.alerts), flapping.services) == (21, ("c",))
    assert (len(fault.alerts), fault.services) == (2, ("a", "b"))


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


def test_a_new_graph_connects_what_still_forms():
    told = Told(graph=CHAIN)
    assert len(told.feed(0, anomaly("p", "p"), anomaly("a", "a"))) == 2
    told.triage.graph = ServiceGraph([("p", "a")])
    assert len(told.feed(1)) == 1
