import json
import math

import numpy as np

from rca import Change, Ranking, Suspect, default_ranker
from rca.checks import example_case
from rca.confidence import confidences
from rca.report import SHOWN, ranking_line
from rca.units import number


def test_a_line_holds_all_services_and_the_first_suspects_in_full() -> None:
    ranking = default_ranker().rank(example_case())
    line = json.loads(json.dumps(ranking_line("a", ranking, 0.12345678)))
    assert line["case"] == "a"
    assert line["seconds"] == 0.1235
    assert line["services"] == [s.service for s in ranking.suspects]
    assert line["metrics"][0] == ["db", ranking.suspects[0].metric]
    assert len(line["suspects"]) == SHOWN
    first = line["suspects"][0]
    assert first["reason"]
    assert first["path"] == ["db", "cart", "shop"]
    assert all(set(e) == {"kind", "strength", "text", "numbers"} for e in first["evidence"])


def test_a_change_and_endless_time_are_plain_data() -> None:
    suspect = Suspect("a", None, 1.0, 0.5, change=Change(5, "a", "deploy", "v2", "http://x"))
    line = ranking_line("a", Ranking((suspect,), unknown=False), math.inf)
    assert line["seconds"] is None
    assert line["metrics"] == []
    assert json.loads(json.dumps(line))["suspects"][0]["change"]["kind"] == "deploy"


def test_numbers_are_written_for_people() -> None:
    assert [number(x) for x in (0.0, 0.123456, 12.0, 1234567.0, math.inf, 1e-9, 2.5e20)] == [
        "0",
        "0.123",
        "12",
        "1230000",
        "unknown",
        "1.00e-09",
        "2.50e+20",
    ]


def test_confidence_grows_with_the_lead_and_sums_to_at_most_one() -> None:
    clear, close = confidences(np.array([4.0, 1.0, 0.5])), confidences(np.array([1.1, 1.0, 0.5]))
    assert clear[0] > 0.9 > close[0] >= close[1]
    assert sum(clear) <= 1
    assert sum(close) <= 1
    assert confidences(np.zeros(3)).tolist() == [0, 0, 0]
    assert confidences(np.zeros(0)).tolist() == []
    assert confidences(np.array([2.0]))[0] > 0.9
