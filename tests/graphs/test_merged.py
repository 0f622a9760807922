from __future__ import annotations

import asyncio
import logging

import pytest

from aiops.errors import Unavailable
from aiops.graphs.merged import GraphHealth, GraphKeeper
from rca import ServiceGraph


class Told:
    """A source that answers what it is told, or raises it."""

    def __init__(self, name: str, *answers: object, whole: bool = False) -> None:
        self.name, self.whole = name, whole
        self.answers = list(answers)

    async def read(self, now_ms: int) -> ServiceGraph:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if answer == "never":
            await asyncio.Event().wait()
        return ServiceGraph(answer, seen_ms=now_ms)


def edges(graph: ServiceGraph) -> list[tuple[str, str]]:
    return [(a, b) for a, b, _ in graph.edges()]


def refreshed(keeper: GraphKeeper, *times_ms: int) -> list[list[tuple[str, str]]]:
    async def run():
        return [edges(await keeper.refresh(now_ms)) for now_ms in times_ms]

    return asyncio.run(run())


AB, BC = ("a", "b"), ("b", "c")


def test_sources_are_merged_and_the_result_is_kept():
    keeper = GraphKeeper([Told("one", [AB]), Told("two", [BC, AB])])
    assert refreshed(keeper, 1) == [[AB, BC]]
    assert edges(keeper.graph) == [AB, BC]
    assert keeper.refresh_s == 60.0


def test_an_edge_not_seen_for_long_is_forgotten_with_its_services():
    keeper = GraphKeeper([Told("one", [AB, BC], [AB], [AB], [AB])], max_age_s=10)
    assert refreshed(keeper, 0, 5_000, 10_000, 10_001) == [[AB, BC], [AB, BC], [AB, BC], [AB]]
    assert keeper.graph.services() == ["a", "b"]


def test_what_was_declared_goes_at_once_when_taken_back_and_never_grows_old():
    broken = Unavailable("gone")
    keeper = GraphKeeper([Told("file", [AB, BC], [AB], broken, whole=True)], max_age_s=10)
    assert refreshed(keeper, 0, 1_000, 99_000) == [[AB, BC], [AB], [AB]]


def test_a_failing_source_keeps_its_last_answer_until_that_is_too_old():
    broken = Unavailable("503")
    keeper = GraphKeeper([Told("one", [AB], broken, broken), Told("two", [BC], [BC], [BC])], max_age_s=10)
    assert refreshed(keeper, 0, 9_000, 20_000) == [[AB, BC], [AB, BC], [BC]]
    assert keeper.health() == [
        GraphHealth("one", "503", answered_ms=0, failures=2, edges=0),
        GraphHealth("two", "", answered_ms=20_000, failures=0, edges=1),
    ]


def test_a_source_that_never_answered_says_so():
    keeper = GraphKeeper([Told("one", Unavailable("503"))])
    assert refreshed(keeper, 5) == [[]]
    assert keeper.health() == [GraphHealth("one", "503", answered_ms=None, failures=1, edges=0)]


def test_a_failure_is_logged_once_per_change(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "aiops.graphs")
    answers = [Unavailable("x"), Unavailable("x"), Unavailable("y"), [AB], [AB], Unavailable("y")]
    keeper = GraphKeeper([Told("one", *answers)])
    refreshed(keeper, *range(6))
    assert [record.getMessage() for record in caplog.records] == [
        "graph source failed source=one others=0 error=x",
        "graph source failed source=one others=0 error=y",
        "graph source answers again source=one others=0",
        "graph source failed source=one others=0 error=y",
    ]
    assert keeper.health()[0].failures == 4


def test_what_fails_for_one_reason_is_one_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "aiops.graphs")
    away = Unavailable("p did not answer")
    sources = [Told("one", away, [AB]), Told("two", away, [AB]), Told("three", Unavailable("503"), [AB])]
    refreshed(GraphKeeper(sources), 1, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "graph source failed source=one others=1 error=p did not answer",
        "graph source failed source=three others=0 error=503",
        "graph source answers again source=one others=2",
    ]


def test_a_source_with_a_fault_of_its_own_does_not_take_the_others_away(caplog: pytest.LogCaptureFixture):
    keeper = GraphKeeper([Told("one", ZeroDivisionError("oops")), Told("two", [BC])])
    assert refreshed(keeper, 1) == [[BC]]
    assert keeper.health()[0].error == "ZeroDivisionError: oops"
    assert caplog.records[0].exc_info


def test_a_source_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture):
    keeper = GraphKeeper([Told("one", "never"), Told("two", [BC])], timeout_s=0.01)
    assert refreshed(keeper, 1) == [[BC]]
    assert keeper.health()[0].error == "no answer within 0.01 s"


def test_no_sources_are_an_empty_graph():
    assert refreshed(GraphKeeper([]), 1) == [[]]
