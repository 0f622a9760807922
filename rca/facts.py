"""What several pieces of evidence need of a case, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rca._base import F64
from rca.deviation import Deviation, deviation
from rca.direct import badness
from rca.felt import felt
from rca.gaps import Gaps, gaps
from rca.opinion import gate
from rca.own_share import OwnRise, own_rise
from rca.request_series import RequestSeries, request_series
from rca.view import CaseView, Places

ERROR_FLOOR = 0.003  # error ratios below 0.3 % are nobody's incident; measured


@dataclass(frozen=True, slots=True)
class Facts:
    """A case, measured.

    Parameters
    ----------
    seen : the case
    series : latency, errors and requests by service
    bad : (n,) how far each column moved in its bad direction, scales
    gaps : what calls lose on the way
    felt : (s,) in [0, 1], how far the service's requests deviate; see `rca.felt`
    own_latency, own_hurt : rise of the services' own parts of the latency, and of what hurts at the symptom
    latency, errors, requests : deviations of those series, (s,) each
    hurts : which of the two the symptom shows
    switch : how far the symptom itself moves, in [0, 1]; evidence from the call graph counts this much
    """

    seen: CaseView
    series: RequestSeries
    bad: F64
    gaps: Gaps
    felt: F64
    own_latency: OwnRise
    own_hurt: OwnRise
    latency: Deviation
    errors: Deviation
    requests: Deviation
    hurts: Literal["latency", "errors"]
    switch: float

    @property
    def hurt(self) -> F64:
        """(t, s) the series in which the symptom hurts."""
        return self.series.latency if self.hurts == "latency" else self.series.errors

    @property
    def hurt_z(self) -> F64:
        """(s,) rise of those series in scales; 0 = none or unknown."""
        return np.nan_to_num((self.latency if self.hurts == "latency" else self.errors).z_up)

    @property
    def hurt_column(self) -> Places:
        """(s,) the column of those series, -1 = none."""
        return self.series.latency_column if self.hurts == "latency" else self.series.errors_column


def facts(seen: CaseView) -> Facts:
    """Measure a case that is not blind."""
    series = request_series(seen)
    bad = badness(seen)
    latency = deviation(series.latency[: series.split], series.latency[series.split :])
    errors = deviation(series.errors[: series.split], series.errors[series.split :], ERROR_FLOOR)
    requests = deviation(series.requests[: series.split], series.requests[series.split :])
    moved = {
        "latency": float(np.nan_to_num(latency.z_up[seen.symptom])),
        "errors": float(np.nan_to_num(errors.z_up[seen.symptom])),
    }
    told = "latency" if seen.case.symptom.kind == "latency" else "errors"
    if seen.case.symptom.kind in ("traffic", "saturation"):
        told = max(sorted(moved), key=lambda kind: moved[kind])
    named = [
        float(np.nan_to_num(bad[i]))
        for i in np.flatnonzero(seen.owner == seen.symptom)
        if seen.columns[i].metric == seen.case.symptom.metric
    ]
    switch = float(gate(np.array([max([moved[told], *named])]))[0])
    hurts: Literal["latency", "errors"] = "latency" if told == "latency" else "errors"
    noticed = felt(seen, bad, latency, errors)
    own_latency = own_rise(seen, series, series.latency)
    own_hurt = own_latency if hurts == "latency" else own_rise(seen, series, series.errors)
    return Facts(
        seen, series, bad, gaps(seen, series), noticed, own_latency, own_hurt, latency, errors, requests, hurts, switch
    )
