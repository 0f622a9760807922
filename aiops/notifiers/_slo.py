"""Whether an incident eats up an error budget so fast that people should hear of it at once."""

from __future__ import annotations

import math

from aiops.model import Event, Incident

FAST_BURN = 14.4
"""Burn rate at which a 30-day budget loses 2 % in an hour: what the SRE Workbook pages for (chapter 5, table 5-8)."""

_SLO_LABELS = frozenset({"slo", "sloth_slo", "sloth_service", "slo_name", "exhaustion"})
_PAGE = frozenset({"page", "critical"})
_SEVERITIES = frozenset({"severity", "sloth_severity"})


def burns_fast(incident: Incident, objective: float) -> bool:
    """Tell whether errors use up the budget of an objective at the paging rate, or an SLO alert that pages fires.

    SLO alerts are known by the labels that Sloth and Pyrra give them.

    Parameters
    ----------
    objective : share of requests that must succeed
    """
    limit = FAST_BURN * (1.0 - objective)
    for anomaly in incident.anomalies:
        is_ratio = anomaly.kind == "errors" and anomaly.unit == "ratio" and anomaly.pages
        if is_ratio and anomaly.ended_ms is None and math.isfinite(anomaly.value) and anomaly.value >= limit:
            return True
    return any(_is_slo_page(alert) for alert in incident.alerts if alert.status == "firing")


def _is_slo_page(alert: Event) -> bool:
    names = {name for name, _ in alert.labels}
    pages = any(name in _SEVERITIES and value.lower() in _PAGE for name, value in alert.labels)
    return pages and bool(names & _SLO_LABELS)
