"""What hurts, in one line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from aiops.model import Anomaly, Event, SeriesKey
from aiops.words import factor, quantity

_PAIN = {"errors": 3, "latency": 2, "traffic": 1, "saturation": 0}
"""What users feel most comes first."""

_CRITICAL = frozenset({"critical", "page", "error", "high", "emergency", "fatal", "p1", "sev1"})
"""Values of an alert's `severity` label that people use for what wakes somebody up."""


def severity(anomalies: Iterable[Anomaly], alerts: Iterable[Event]) -> Literal["critical", "warning"]:
    """Critical if an alert says so, or if users get errors."""
    if any(a.pages and a.kind == "errors" for a in anomalies):
        return "critical"
    labels = (value.lower() for alert in alerts for name, value in alert.labels if name in ("severity", "priority"))
    return "critical" if any(value in _CRITICAL for value in labels) else "warning"


def title(anomalies: Iterable[Anomaly], alerts: Iterable[Event], services: Iterable[str], *, further: int = 0) -> str:
    """The worst that hurts, and how much more there is.

    >>> title([], [Event("a", 0, "cart", "alert", "HighErrorRate")], ["cart", "shop"], further=0)
    'cart: HighErrorRate and 1 more service'
    """
    hurting = sorted((a for a in anomalies if a.pages), key=worst_first)
    if hurting:
        place, what = hurting[0].series.service or hurting[0].series.peer, describe(hurting[0])
    else:
        place, what = _alert(sorted(alerts, key=lambda e: (e.time_ms, e.id)))
    others = len(set(services) - {place, ""})
    text = f"{place}: {what}" if place else what
    if others:
        text += f" and {others} more service{'s' if others > 1 else ''}"
    return text + (f" (+{further} further)" if further else "")


def describe(anomaly: Anomaly) -> str:
    """An anomaly in a few words: "p95 latency 1.9 s (6.1x)".

    >>> series = SeriesKey("latency_p95", "cart")
    >>> describe(Anomaly("a", series, "latency", "s", "up", True, 0, 0, None, 1.9, 0.31, 0.2, 0.4, 9.0, 2.0))
    'p95 latency 1.9 s (6.1x)'
    """
    name = name_of(anomaly.series)
    if anomaly.went == "absent" or not math.isfinite(anomaly.value):
        return f"no more {name}"
    text = f"{name} {quantity(anomaly.value, anomaly.unit)}"
    ratio = anomaly.value / anomaly.expected if anomaly.expected > 0 else math.nan
    if 1.5 <= ratio < 1000:
        return f"{text} ({factor(ratio)})"
    return f"{text}, normally {quantity(anomaly.expected, anomaly.unit)}" if math.isfinite(anomaly.expected) else text


def name_of(series: SeriesKey) -> str:
    """The signal of a series as people say it.

    >>> name_of(SeriesKey("client_latency_p95", "cart", "db")), name_of(SeriesKey("error_ratio", "cart"))
    ('p95 client latency to db', 'error ratio')
    """
    stem, _, last = series.signal.rpartition("_")
    name = f"{last} {stem}" if stem.endswith("latency") else series.signal
    return name.replace("_", " ") + (f" to {series.peer}" if series.peer and series.service else "")


def worst_first(anomaly: Anomaly) -> tuple[int, float, int, str]:
    """A key that sorts what hurts: what users feel most first, then the rarest."""
    rarity = anomaly.rarity if math.isfinite(anomaly.rarity) else math.inf
    return (-_PAIN[anomaly.kind], -rarity, anomaly.started_ms, anomaly.id)


def _alert(alerts: list[Event]) -> tuple[str, str]:
    if not alerts:
        return "", "nothing that hurts is known"
    first = next((a for a in alerts if a.status != "resolved"), alerts[0])
    name = dict(first.labels).get("alertname", "")
    return first.service, (name or first.description or "alert")[:120]
