import json
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np

from aiops.web.render import incident_dict


def test_an_incident_has_exactly_the_promised_keys(sample: Any) -> None:
    shown = incident_dict(sample.incident)
    assert list(shown) == [
        "id",
        "kind",
        "status",
        "title",
        "severity",
        "started_at",
        "opened_at",
        "resolved_at",
        "services",
        "suspects",
        "unknown",
        "notes",
        "muted",
        "flaps",
        "anomalies",
        "alerts",
        "events",
    ]
    assert list(shown["suspects"][0]) == ["service", "metric", "confidence", "kind", "reason", "path", "evidence"]
    assert shown["started_at"] == "2023-11-14T22:13:20Z"
    assert shown["opened_at"] == "2023-11-14T22:13:50Z"
    assert shown["resolved_at"] is None


def test_it_survives_strict_json_whatever_is_not_a_number(sample: Any) -> None:
    text = json.dumps(incident_dict(sample.incident), allow_nan=False)
    assert json.loads(text) == incident_dict(sample.incident)
    slow, gone = incident_dict(sample.incident)["anomalies"]
    assert slow["detectors"] == [{"name": "level", "surprise": 9.1}, {"name": "season", "surprise": None}]
    assert gone["value"] is gone["rarity"] is None
    assert incident_dict(sample.incident)["suspects"][0]["evidence"][2]["numbers"] == {"share": None}


def test_numbers_of_arrays_become_plain_ones(sample: Any) -> None:
    odd = replace(sample.incident, anomalies=(replace(sample.slow, value=np.float64(1.5)),))
    assert type(incident_dict(odd)["anomalies"][0]["value"]) is float


def test_an_anomaly_says_its_size_and_rarity_in_words(sample: Any) -> None:
    slow, gone = incident_dict(sample.incident)["anomalies"]
    assert slow["size"] == "1.9 s, 6.1x the expected 310 ms"
    assert slow["how_rare"] == "rarer than once in 90 days"
    assert (slow["since"], slow["ended_at"]) == ("2023-11-14T22:13:20Z", None)
    assert slow["labels"] == {"route": "/pay"}
    assert gone["size"] == "no data where 120 req/s is expected"
    assert (gone["peer"], gone["ended_at"]) == ("payments", "2023-11-14T22:14:20Z")


def test_alerts_and_events_are_told_apart(sample: Any) -> None:
    shown = incident_dict(sample.incident)
    assert shown["alerts"][0]["status"] == "firing"
    assert shown["alerts"][0]["labels"] == {"alertname": "CheckoutSlow", "severity": "page"}
    assert shown["events"][0]["url"] == "https://ci.example/412"


def test_only_the_first_suspects_are_shown(sample: Any) -> None:
    assert len(sample.incident.ranking.suspects) == 13
    assert [s["service"] for s in incident_dict(sample.incident)["suspects"]][:2] == ["payments", "other-0"]
    assert len(incident_dict(sample.incident)["suspects"]) == 10


def test_the_shape_can_be_had_without_the_web_server() -> None:
    code = "import sys, aiops.web.render; sys.exit(bool({'starlette', 'uvicorn', 'jinja2'} & sys.modules.keys()))"
    assert run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
