from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from rca import RANKERS, Case, Ranker, Ranking, default_ranker
from rca.checks import CHECKS, check_ranker, example_case


@pytest.mark.parametrize("name", sorted(RANKERS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_registered_ranker_keeps_the_contract(name: str, check: Callable[[Ranker], None]) -> None:
    check(RANKERS[name]())


@dataclass
class Spoilt:
    spoil: Callable[[Ranking, Case], Ranking]

    def rank(self, case: Case) -> Ranking:
        return self.spoil(default_ranker().rank(case), case)


def _turned(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=ranking.suspects[::-1])


def _first(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=ranking.suspects[:1])


def _twice(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=ranking.suspects + ranking.suspects)


def _sure(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=tuple(replace(s, confidence=1.0) for s in ranking.suspects))


def _infinite(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=tuple(replace(s, weight=float("inf")) for s in ranking.suspects))


def _lost(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, suspects=tuple(replace(s, path=("x",)) for s in ranking.suspects))


def _knows(ranking: Ranking, _: Case) -> Ranking:
    return replace(ranking, unknown=False)


def _by_columns(ranking: Ranking, case: Case) -> Ranking:
    extra = 1e-3 * [c.service for c in case.columns].index("db") if case.columns else 0.0
    return replace(ranking, suspects=tuple(replace(s, weight=s.weight + extra) for s in ranking.suspects))


def _overwritten(ranking: Ranking, case: Case) -> Ranking:
    case.values[:] = 0
    return ranking


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_turned, "not sorted"),
        (_first, "missing"),
        (_twice, "twice"),
        (_sure, "more than 1"),
        (_infinite, "finite"),
        (_lost, "path"),
        (_knows, "known cause"),
        (_overwritten, "changed|different"),
    ],
)
def test_a_broken_promise_is_named(spoil: Callable[[Ranking, Case], Ranking], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_ranker(Spoilt(spoil))


def test_dependence_on_the_order_of_columns_is_found() -> None:
    with pytest.raises(AssertionError, match="order of the input"):
        check_ranker(Spoilt(_by_columns))


def test_the_example_has_its_cause_first() -> None:
    ranking = default_ranker().rank(example_case())
    assert ranking.suspects[0].service == "db"
    assert not ranking.unknown
