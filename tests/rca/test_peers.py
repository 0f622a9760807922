from dataclasses import replace

import pytest

from rca import RANKERS, Change
from rca.checks import example_case


@pytest.mark.parametrize("name", ["fused", "baro", "deepest callee", "page rank", "random walk", "regression"])
def test_the_slow_database_of_the_example_is_among_the_first_two(name: str) -> None:
    names = [s.service for s in RANKERS[name]().rank(example_case()).suspects]
    assert "db" in names[:2]


def test_correlation_leaves_the_symptom_itself_out() -> None:
    suspects = RANKERS["correlation"]().rank(example_case()).suspects
    assert next(s for s in suspects if s.service == "shop").weight == 0


def test_the_latest_deploy_comes_before_later_restarts_and_changes_to_come() -> None:
    case = example_case()
    changes = (
        Change(case.trigger_ms - 600_000, "cart", "deploy"),
        Change(case.trigger_ms - 60_000, "db", "restart"),
        Change(case.trigger_ms + 60_000, "search", "deploy"),
        Change(case.trigger_ms - 1, "nobody", "deploy"),
    )
    suspects = RANKERS["latest deploy"]().rank(replace(case, changes=changes)).suspects
    assert [s.service for s in suspects][:2] == ["cart", "db"]
    assert next(s for s in suspects if s.service == "search").weight == 0
