"""Data points of an OTLP request as rows of numbers, and which of them are wrong whatever their names are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, TooLarge
from aiops.model import I64
from aiops.sources import _otlp_scan as otlp
from aiops.sources import _otlp_slots as refused
from aiops.sources import _wire_fields as wire
from aiops.sources._otlp_expand import CUMULATIVE, DELTA, exponential_spans
from aiops.sources._otlp_grid import HIGHEST_SCALE, LOWEST_SCALE
from aiops.sources._pushed_samples import WriteLimits

_FEWEST_BYTES = 24
"""A data point with two times and nothing else; most have 50 to 300."""

_U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scanner found, cut to size."""

    raw: bytes
    resources: I64
    metrics: I64
    points: I64
    numbers: _U64


def scan(raw: bytes, limits: WriteLimits) -> Scanned:
    """Scan a request.

    Raises
    ------
    InputError : it is malformed
    TooLarge : more data points, metrics or resources than `limits.series_per_body`
    """
    # Room for points of a usual size; a body of tiny ones is scanned again with more.
    room = min(len(raw) // _FEWEST_BYTES + 16, limits.series_per_body)
    buffer = np.frombuffer(raw, np.uint8)
    while True:
        resources, metrics = np.empty((room, 2), np.int64), np.empty((room, 10), np.int64)
        points, numbers = np.empty((room, 14), np.int64), np.empty((room, 5), np.uint64)
        tally = np.zeros(4, np.int64)
        fault = otlp.scan(buffer, resources, metrics, points, numbers, tally)
        if fault != otlp.NO_ROOM:
            break
        if room >= limits.series_per_body:
            raise TooLarge(f"the body has more than {limits.series_per_body} data points, metrics or resources")
        room = min(4 * room, limits.series_per_body)
    if fault != wire.OK:
        place = int(tally[otlp.FAULT_AT])
        raise InputError(f"the body is no ExportMetricsServiceRequest: {otlp.MESSAGES[fault]}, after byte {place}")
    r, m, p = (int(tally[i]) for i in (otlp.N_RESOURCES, otlp.N_METRICS, otlp.N_POINTS))
    return Scanned(raw, resources[:r], metrics[:m], points[:p], numbers[:p])


def refusals(found: Scanned) -> I64:
    """Why points are refused that are wrong whatever their names are; 0 = they are not."""
    points, numbers = found.points, found.numbers
    kinds, temporalities = (found.metrics[points[:, otlp.METRIC], column] for column in (otlp.KIND, otlp.TEMPORALITY))
    is_stale = points[:, otlp.FLAGS] & 1 != 0
    counts = (points[:, otlp.COUNTS_END] - points[:, otlp.COUNTS]) // 8
    bounds = (points[:, otlp.BOUNDS_END] - points[:, otlp.BOUNDS]) // 8
    is_number = (kinds == otlp.GAUGE) | (kinds == otlp.SUM)
    is_timed = (kinds == otlp.SUM) | (kinds == otlp.HISTOGRAM) | (kinds == otlp.EXPONENTIAL)
    scales = points[:, otlp.SCALE]
    slots = np.zeros(len(points), np.int64)
    for reason, is_wrong in (
        (refused.SCALE, (kinds == otlp.EXPONENTIAL) & ((scales < LOWEST_SCALE) | (scales > HIGHEST_SCALE))),
        (refused.COUNTS, (kinds == otlp.HISTOGRAM) & (counts != bounds + 1) & ((counts > 0) | (bounds > 0))),
        (refused.TEMPORALITY, is_timed & (temporalities != DELTA) & (temporalities != CUMULATIVE)),
        (refused.VALUE, is_number & (points[:, otlp.HAS] == 0) & ~is_stale),
        (refused.TIME, numbers[:, otlp.TIME_NS] == 0),
    ):
        slots[is_wrong] = reason
    return slots


def spans_of(found: Scanned) -> I64:
    """First and last filled positive bucket of exponential histograms, (2, p); last below first if there is none."""
    spans = np.zeros((2, len(found.points)), np.int64)
    wanted = np.flatnonzero(found.metrics[found.points[:, otlp.METRIC], otlp.KIND] == otlp.EXPONENTIAL)
    if len(wanted):
        exponential_spans(np.frombuffer(found.raw, np.uint8), found.points, wanted, spans)
    return spans
