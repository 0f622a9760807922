"""Anomaly scores of watched series, as metrics under a cardinality cap.

Names follow what users know from vmanomaly: `anomaly_score` (1.0 = the border), `yhat`, `yhat_lower`, `yhat_upper`.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aiops.model import SeriesKey

VALUE_LIMIT = 256
LABELS_LIMIT = 16
"""Both chosen: more is no label a person reads on a dashboard."""

_OWN = ("signal", "service", "peer")
_FIELDS = (
    ("anomaly_score", "How odd the series is now; 1 is the border, above it is an anomaly.", "score"),
    ("yhat", "The value that is expected now.", "expected"),
    ("yhat_lower", "Lower end of the expected band.", "lower"),
    ("yhat_upper", "Upper end of the expected band.", "upper"),
)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """What is known of one series now; NaN = no opinion, and then it is not shown."""

    series: SeriesKey
    score: float
    expected: float
    lower: float
    upper: float


class Scores(NamedTuple):
    """Rows that may be shown, and how many scored series are not among them because others are higher."""

    rows: Iterable[ScoreRow]
    left_out: int = 0


class ScoreCollector(Collector):
    """Reads the rows at scrape time and shows those with the highest scores.

    Parameters
    ----------
    scores : asked for so many at every scrape; may give more
    limit : how many are shown
    """

    def __init__(self, scores: Callable[[int], Scores], limit: int) -> None:
        self._scores = scores
        self._limit = limit

    def collect(self) -> Iterator[Metric]:
        """All four metrics, and how many series the cap left out."""
        scores = self._scores(self._limit)
        rows = [row for row in scores.rows if math.isfinite(row.score)]
        shown = heapq.nsmallest(self._limit, rows, key=lambda row: (-row.score, row.series))
        labelled = [(flat_labels(row.series), row) for row in shown]
        for name, text, field in _FIELDS:
            metric = Metric(name, text, "gauge")
            for labels, row in labelled:
                value = float(getattr(row, field))
                if math.isfinite(value):
                    metric.add_sample(name, labels, value)
            yield metric
        left_out = GaugeMetricFamily("aiops_scores_left_out", "Scored series that the cap keeps out of anomaly_score.")
        left_out.add_metric([], scores.left_out + len(rows) - len(shown))
        yield left_out

    def describe(self) -> list[Metric]:
        """Nothing: registering must not ask for rows."""
        return []


def flat_labels(series: SeriesKey) -> dict[str, str]:
    """The labels of a series as Prometheus takes them.

    A name that is not allowed, reserved, or already ours gets `label_` in front.

    >>> flat_labels(SeriesKey("latency_p95", "cart", labels=(("http.route", "/a"), ("service", "x"))))
    {'signal': 'latency_p95', 'service': 'cart', 'peer': '', 'http_route': '/a', 'label_service': 'x'}
    """
    flat = {"signal": series.signal, "service": series.service[:VALUE_LIMIT], "peer": series.peer[:VALUE_LIMIT]}
    for name, value in series.labels[:LABELS_LIMIT]:
        safe = re.sub(r"[^a-zA-Z0-9_]", "_", name[:VALUE_LIMIT])
        if not safe or safe[0].isdigit() or safe.startswith("__") or safe in _OWN:
            safe = f"label_{safe}"
        # Two names may become one; what tells the series apart must not get lost.
        while safe in flat:
            safe += "_"
        flat[safe] = value[:VALUE_LIMIT]
    return flat
