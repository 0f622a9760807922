"""Groups that are kept sorted, against sorting everything each time."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.sources._pushed_groups import Members

Row = tuple[int, int, float]

bounds = st.sampled_from([0.1, 0.5, 1.0, math.inf])
arrivals = st.lists(st.tuples(st.integers(0, 4), bounds), max_size=30)
rounds = st.lists(st.tuples(arrivals, st.sets(st.integers(0, 60), max_size=5)), min_size=1, max_size=6)


def same_as_sorting(members: Members, rows: list[Row], groups: int) -> None:
    rows = sorted(rows, key=lambda row: row[1:])
    found = members.grouping(groups)
    assert found.columns.tolist() == [column for column, _, _ in rows]
    buckets = list(dict.fromkeys((group, bound) for _, group, bound in rows))
    assert found.bounds.tolist() == [bound for _, bound in buckets]
    wanted = [sum(1 for row in rows if row[1:] < bucket) for bucket in buckets]
    assert found.starts.tolist() == [*wanted, len(rows)]
    assert found.groups.tolist() == [sum(1 for group, _ in buckets if group < g) for g in range(groups + 1)]


@given(rounds)
@settings(deadline=None, max_examples=200)
def test_groups_that_grow_and_shrink_are_what_sorting_gives(script) -> None:
    members, rows, column = Members(), list[Row](), 0
    for arrived, gone in script:
        for group, bound in arrived:
            members.add(column, group, bound)
            rows.append((column, group, bound))
            column += 1
        same_as_sorting(members, rows, 5)
        is_gone = np.zeros(column + 1, np.bool_)
        is_gone[[c for c in gone if c < column]] = True
        members.drop(is_gone, np.arange(5))
        rows = [row for row in rows if row[0] not in gone]
        same_as_sorting(members, rows, 5)
        assert members.groups_of(~is_gone).tolist() == sorted({group for _, group, _ in rows})


def test_a_few_new_series_among_many_are_put_in_their_places() -> None:
    members, rows = Members(), [(i, i % 7, float(i % 3)) for i in range(200)]
    for row in rows:
        members.add(*row)
    members.grouping(8)
    more = [(200, 3, 1.0), (201, 7, 0.0), (202, 0, -1.0), (203, 3, 1.0), (204, 3, 0.5)]
    for row in more:
        members.add(*row)
    same_as_sorting(members, rows + more, 8)


def test_groups_are_renumbered_when_some_have_gone() -> None:
    members = Members()
    for column, group in ((0, 0), (1, 1), (2, 2)):
        members.add(column, group, 0.0)
    members.drop(np.array([False, True, False]), np.array([0, 0, 1]))
    assert members.grouping(2).columns.tolist() == [0, 2]
    assert members.grouping(2).groups.tolist() == [0, 1, 2]
