from __future__ import annotations

from aiops.model import Anomaly, Event, SeriesKey
from aiops.triage.title import describe, severity, title


def alert(name, service="cart", at_s=0, status="firing", **more):
    return Event(name, at_s * 1000, service, "alert", name, status=status, **more)


def anomaly(name, service="cart", *, pages=True, signal="latency_p95", peer="", kind="latency", went="up", **numbers):
    numbers = {"value": 2.0, "expected": 0.5, "lower": 0.4, "upper": 0.6, "surprise": 9.0, "rarity": 2.0} | numbers
    return Anomaly(name, SeriesKey(signal, service, peer), kind, "s", went, pages, 0, 0, None, **numbers)


def test_severity_comes_from_what_alerts_say_and_from_errors_users_see():
    assert severity([], [alert("A", labels=(("severity", "Critical"),))]) == "critical"
    assert severity([], [alert("A", labels=(("team", "critical"),))]) == "warning"
    assert severity([anomaly("a", kind="errors")], []) == "critical"
    assert severity([anomaly("a", kind="errors", pages=False), anomaly("b")], []) == "warning"


def test_the_title_says_what_users_feel_first():
    slow, failing = anomaly("a", "cart"), anomaly("b", "shop", signal="error_ratio", kind="errors", rarity=0.5)
    assert title([slow, failing], [], ["cart", "shop"]) == "shop: error ratio 2 s (4.0x) and 1 more service"
    assert title([anomaly("c", pages=False)], [alert("A")], ["cart"]) == "cart: A"
    assert title([], [alert("A", ""), alert("B", "", -5)], []) == "B"
    assert title([], [alert("A", "", -5, "resolved"), alert("B", "")], []) == "B"
    assert title([], [], []) == "nothing that hurts is known"
    nan = float("nan")
    assert describe(anomaly("a", went="absent", value=nan)) == "no more p95 latency"
    assert describe(anomaly("a", expected=0.0)) == "p95 latency 2 s, normally 0 s"
    assert describe(anomaly("a", expected=nan, peer="db")) == "p95 latency to db 2 s"
