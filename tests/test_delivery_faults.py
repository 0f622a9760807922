"""Whatever a receiver does, nothing is lost, nothing is seen twice, and each incident is told in order."""

from __future__ import annotations

import pytest

from tests.benchmarks._delivery_faults import FAULTS, outcome_of


@pytest.mark.parametrize("fault", FAULTS)
def test_under_trouble_everything_arrives_once_and_in_order_and_others_do_not_wait(fault, tmp_path):
    found = outcome_of(fault, tmp_path, incidents=40)
    assert (found.wanted, found.lost, found.seen_twice, found.out_of_order, found.dead) == (120, 0, 0, 0, 0)
    assert found.healthy_worst_s <= 2.0
