"""Verdicts over six simulated weeks: fewer false pages, no true incident lost."""

from __future__ import annotations

import pytest

from tests._feedback_world import lived, weeks_of


@pytest.mark.parametrize("seed", [1, 2])
def test_false_pages_fall_week_by_week_and_every_true_incident_is_still_told(seed):
    made = weeks_of(seed)
    without, taught = lived(made, with_verdicts=False), lived(made, with_verdicts=True)
    assert without.true_count >= 15
    assert taught.true_told == without.true_told
    assert sum(without.false_pages[-2:]) >= 20, "the noise goes on"
    assert sum(taught.false_pages[-2:]) <= 0.4 * sum(without.false_pages[-2:])
    assert sum(taught.false_pages[-2:]) < sum(taught.false_pages[:2])
