"""The signal that hurts most as a small picture: its line, what is usual for it, and since when it is not.

Drawn with matplotlib if that is installed (the extra `charts`); without it there is no picture.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from aiops import words
from aiops.cases import metric_name
from aiops.model import F64, I64, Anomaly, Bools, Incident
from aiops.notifiers._slack_blocks import worst
from aiops.triage.title import name_of
from aiops.wire import decode_case
from rca import Case

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEFORE_MS = 3_600_000
"""Shown before the start: chosen, enough to see what is usual."""
FEWEST = 5
"""Points below which a line says nothing."""
_LINE, _BAND, _INCIDENT = "#1264a3", "#bfe3c6", "#f8d7da"


def can_draw() -> bool:
    """Tell whether matplotlib is installed, without importing it."""
    return find_spec("matplotlib") is not None


def chart(incident: Incident, case: bytes) -> bytes | None:
    """The picture as PNG; None if the case has no line for the signal.

    Parameters
    ----------
    case : what the ranker was shown, as kept in the store

    Raises
    ------
    StoreError : the case cannot be read
    """
    hurting = worst(a for a in incident.anomalies if a.pages)
    if not hurting:
        return None
    line = _line(decode_case(case), hurting[0])
    return None if line is None else _drawn(incident, hurting[0], *line)


def _line(case: Case, anomaly: Anomaly) -> tuple[I64, F64] | None:
    wanted = (anomaly.series.service, metric_name(anomaly.series), anomaly.series.peer)
    for number, column in enumerate(case.columns):
        if (column.service, column.metric, column.peer) == wanted:
            order = np.argsort(case.times, kind="stable")
            times, values = case.times[order], case.values[order, number]
            shown: Bools = times >= anomaly.started_ms - BEFORE_MS
            known = shown & np.isfinite(values)
            return (times[shown], values[shown]) if known.sum() >= FEWEST else None
    return None


def _drawn(incident: Incident, anomaly: Anomaly, times: I64, values: F64) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import DateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(6.4, 2.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    when = [datetime.fromtimestamp(ms / 1000, UTC) for ms in times.tolist()]
    # A row that is missing leaves a gap: the line must not go on as if nothing were.
    axes.plot(when, values, color=_LINE, linewidth=1.6, label=name_of(anomaly.series))  # type: ignore[arg-type]
    _shade(axes, incident, anomaly, max(when))
    place = anomaly.series.service or anomaly.series.peer
    axes.set_title(
        f"{place}: {name_of(anomaly.series)}"[:80], loc="left", fontsize=11, fontweight="bold", parse_math=False
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.quantity(value, anomaly.unit)))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlabel(f"UTC, {max(when):%-d %b %Y}", fontsize=9)
    axes.margins(x=0)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(fontsize=8, loc="upper left", framealpha=0.9)
    axes.spines[["top", "right"]].set_visible(False)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _shade(axes: Axes, incident: Incident, anomaly: Anomaly, last: datetime) -> None:
    if np.isfinite(anomaly.lower) and np.isfinite(anomaly.upper):
        # Nobody has seen a negative latency: a band that reaches below zero is cut there.
        low = max(anomaly.lower, 0.0) if anomaly.expected >= 0.0 else anomaly.lower
        axes.axhspan(low, anomaly.upper, color=_BAND, zorder=0, label="usual")
    start = datetime.fromtimestamp(incident.started_ms / 1000, UTC)
    end = last if incident.resolved_ms is None else datetime.fromtimestamp(incident.resolved_ms / 1000, UTC)
    axes.axvspan(start, max(start, min(end, last)), color=_INCIDENT, zorder=-1, label="incident")  # type: ignore[arg-type]
