"""The judge of chaos must see what is wrong, or its figures say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiops.model import SeriesKey
from tests.benchmarks._kafka_chaos import ISLANDS, Outcome, judged
from tests.benchmarks._kafka_chaos_input import Compared, compared
from tests.benchmarks._kafka_chaos_world import Samples, planned
from tests.services._webhook_receiver import Taken

WORLD = planned(3, 0, 600_000, islands=ISLANDS, first_s=10, last_s=60)
RIGHT = Compared(rows=10, missing=0, other=0)


def incident(fault, number=0, **more):
    return {
        "id": f"i{fault.island}-{number}",
        "services": [fault.service],
        "suspects": [{"service": fault.service}],
        **more,
    }


def told(one, reason, key=""):
    body = {"key": key or f"{one['id']}:{reason}", "reason": reason, "incident": one}
    return Taken(0.0, {}, body)


def outcome(found, taken, rows=RIGHT) -> Outcome:
    return judged(WORLD, found, taken, rows, disorderly=(), struck=(), waits={}, faults=(), took_s=1.0)


def everything():
    found = [incident(fault) for fault in WORLD.faults]
    return found, [told(one, reason) for one in found for reason in ("opened", "resolved")]


def test_all_is_right_when_each_island_has_its_incident_and_people_were_told_once():
    found, taken = everything()
    again = outcome(found, [*taken, taken[0]])
    assert again.is_right
    assert again.repeated == 1, "a key that is known is not shown again"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found, taken: (found[1:], taken),
        lambda found, taken: (found, taken[1:]),
        lambda found, taken: (found, taken[:-1]),
        lambda found, taken: (found, [*taken, told(found[0], "opened", key="another")]),
        lambda found, taken: ([*found, incident(WORLD.faults[0], 1)], taken),
        lambda found, taken: ([*found, {**found[0], "services": ["front-1", "back-2"]}], taken),
        lambda found, taken: ([{**found[0], "suspects": []}, *found[1:]], taken),
    ],
)
def test_it_is_wrong_when_anything_is_missing_twice_or_another(spoil):
    assert not outcome(*spoil(*everything())).is_right


def test_it_is_wrong_when_rows_are_missing_or_none_were_compared():
    for rows in (replace(RIGHT, missing=1), replace(RIGHT, other=1), replace(RIGHT, rows=0)):
        assert not outcome(*everything(), rows=rows).is_right


def test_an_incident_about_the_service_itself_is_no_islands():
    found, taken = everything()
    about_us = {"id": "us", "services": ["aiops"], "suspects": []}
    one = outcome([*found, about_us], [*taken, told(about_us, "opened")])
    assert one.is_right
    assert one.ourselves == 1


def test_rows_are_compared_up_to_the_last_one_that_was_kept():
    key = SeriesKey("error_ratio", "front-1")
    wanted = {key: {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}}
    assert compared(wanted, {key: {1: 1.0, 2: 2.00001, 3: 3.0}}) == Compared(3, 0, 0)
    found = compared(wanted, {key: {1: 1.1, 3: float("nan"), 4: 4.0}})
    assert (found.rows, found.missing, found.other) == (4, 2, 1)
    assert compared(wanted, {}).missing == 4


def test_a_world_is_the_same_in_whatever_pieces_it_is_read():
    at_once, pieces = Samples(WORLD), Samples(WORLD)
    times, values = at_once.read(230)
    parts = [pieces.read(n) for n in (1, 99, 7, 123)]
    assert np.array_equal(times, np.concatenate([t for t, _ in parts]))
    assert np.array_equal(values, np.concatenate([v for _, v in parts]))
    assert (np.diff(values, axis=0) >= 0).all()
