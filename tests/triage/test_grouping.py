"""A generated month of alerts over forty services: few messages, and what belongs together is together."""

from __future__ import annotations

import pytest

from tests.benchmarks._alert_history import month_of_alerts
from tests.benchmarks._grouping import agreement, grouped


@pytest.mark.parametrize("seed", [21, 22])
def test_a_month_of_alerts_becomes_few_incidents_that_are_the_true_ones(seed):
    history = month_of_alerts(seed)
    found = grouped(history)
    agreed = agreement(history.truth, found.incidents.values())
    assert agreed.f1 >= 0.93
    assert found.told["opened"] <= 0.1 * history.alerts
    assert found.told["opened"] == len(found.incidents) == found.told["resolved"]


def test_the_same_month_gives_the_same_incidents():
    assert grouped(month_of_alerts(21, days=4)) == grouped(month_of_alerts(21, days=4))
