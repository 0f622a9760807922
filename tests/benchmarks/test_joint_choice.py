import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _joint_choice import JointSeen, joint_halves
from _page_metric import Labelled

GRID = np.linspace(-3.0, 4.0, 200)
ROWS, START = 4_000, 2_000


def _service(name: str, at: int) -> Labelled:
    place = np.full(ROWS, -1)
    place[at : at + 10] = 0
    times = np.arange(ROWS) * 300.0
    return Labelled(name, times, np.zeros((ROWS, 2)), START, place, np.array([[at, at + 9]]), 7.0, START)


def test_a_missed_promise_costs_only_beyond_twice() -> None:
    assert JointSeen(80.0, 0.5, 1.9).merit == JointSeen(80.0, 0.5, 1.0).merit
    assert JointSeen(80.0, 0.5, 8.0).merit < JointSeen(80.0, 0.5, 2.0).merit
    assert JointSeen(80.0, 0.5, 0.1).merit < JointSeen(80.0, 0.5, 1.0).merit


def test_each_half_is_shown_with_what_the_other_one_chose() -> None:
    services = [_service("a", 2_500), _service("b", 2_500), _service("c", 3_000), _service("d", 3_000)]
    best = {"a": (1.0, 5.0), "c": (1.0, 5.0), "b": (3.0, 10.0), "d": (3.0, 10.0)}

    def score(series, weight, unit):
        out = []
        for one in series:
            rarity = np.random.default_rng(1).uniform(-3.0, -1.0, ROWS)
            if best[one.name] == (weight, unit):
                rarity[one.place >= 0] = 3.0
            out.append(rarity)
        return out

    said = {name: (weight, unit, here) for name, weight, unit, here in joint_halves(services, score, GRID)}
    assert said["even"][:2] == (3.0, 10.0)
    assert said["odd"][:2] == (1.0, 5.0)
    assert said["even"][2].f1 < 0.1
