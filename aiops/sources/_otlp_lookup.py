"""The slots of all data points of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from aiops.model import I64
from aiops.sources import _otlp_scan as otlp
from aiops.sources import _otlp_slots as refused
from aiops.sources._otlp_attributes import quantiles_of
from aiops.sources._otlp_points import Scanned, refusals, spans_of
from aiops.sources._otlp_slots import Metric, Slots, scattered


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What is known of each data point.

    Parameters
    ----------
    slots : (p,) its slot, or below 0 why it is refused
    grids : (p, 3) scale, low and size of the grid of an exponential histogram
    quantiles : values of a summary's quantiles, by point
    """

    slots: I64
    grids: I64
    quantiles: dict[int, list[float]]


def look_up(found: Scanned, slots: Slots) -> LookedUp:
    """Look up all points, make slots for new ones.

    Raises
    ------
    InputError : a name or an attribute is malformed
    TooLarge : more new names than there is room for
    """
    wrong = refusals(found)
    looked = LookedUp(wrong, np.zeros((len(wrong), 3), np.int64), {})
    one = _Pass(found, slots, looked)
    numbers, number = list[int](), -1
    resources = found.resources.tolist()
    # Columns and not rows: thousands of small lists would have the garbage collector look at everything there is.
    for row in zip(*(found.metrics[:, column].tolist() for column in range(found.metrics.shape[1])), strict=True):
        if row[otlp.RESOURCE] != number:
            number = row[otlp.RESOURCE]
            known = slots.resource(found.raw[slice(*resources[number])])
        first, end = row[otlp.FIRST_POINT], row[otlp.END_POINT]
        if first == end:
            continue
        metric = slots.metric(known, found.raw, row)
        if not metric.name:
            numbers += [refused.NAME] * (end - first)
        elif metric.kind in (otlp.GAUGE, otlp.SUM):
            numbers += one.numbers(metric, first, end)
        elif metric.kind == otlp.HISTOGRAM:
            numbers += one.histograms(metric, first, end)
        elif metric.kind == otlp.EXPONENTIAL:
            numbers += one.exponentials(metric, first, end)
        else:
            numbers += one.summaries(metric, first, end)
    np.copyto(wrong, np.array(numbers, np.int64), where=wrong == 0)
    return looked


class _Pass:
    """The columns of one request as lists: what Python reads a point at a time."""

    def __init__(self, found: Scanned, slots: Slots, looked: LookedUp) -> None:
        self._found, self._slots, self._looked = found, slots, looked
        self._wrong, self._spans = looked.slots.tolist(), spans_of(found).tolist()
        self._starts, self._ends = (found.points[:, c].tolist() for c in (otlp.ATTRS, otlp.ATTRS_END))
        self._bounds, self._bounds_ends = (found.points[:, c].tolist() for c in (otlp.BOUNDS, otlp.BOUNDS_END))

    def numbers(self, metric: Metric, first: int, end: int) -> list[int]:
        texts = self._attributes(metric, first, end)
        slots = list(map(metric.slots.get, texts))
        if None in slots:
            return [self._slots.simple(metric, text) for text in texts]
        return cast("list[int]", slots)

    def histograms(self, metric: Metric, first: int, end: int) -> list[int]:
        raw, texts = self._found.raw, self._attributes(metric, first, end)
        bounds = [raw[a:b] for a, b in zip(self._bounds[first:end], self._bounds_ends[first:end], strict=True)]
        # All points of a metric have the same bounds unless somebody is changing them just now.
        if bounds.count(bounds[0]) == len(bounds):
            slots = list(map(metric.layouts.get(bounds[0], {}).get, texts))
            if None not in slots:
                return cast("list[int]", slots)
        return [self._slots.histogram(metric, *place) for place in zip(texts, bounds, strict=True)]

    def exponentials(self, metric: Metric, first: int, end: int) -> list[int]:
        slots, grids = list[int](), list[tuple[int, int, int]]()
        texts, scales = self._attributes(metric, first, end), self._found.points[first:end, otlp.SCALE].tolist()
        firsts, lasts = self._spans[0][first:end], self._spans[1][first:end]
        for text, scale, low, high, wrong in zip(texts, scales, firsts, lasts, self._wrong[first:end], strict=True):
            # An absurd scale gives no grid.
            slot, grid = (0, (0, 0, 0)) if wrong else self._slots.exponential(metric, text, scale, low, high)
            slots.append(slot)
            grids.append(grid)
        self._looked.grids[first:end] = grids
        return slots

    def summaries(self, metric: Metric, first: int, end: int) -> list[int]:
        slots = list[int]()
        points = self._found.points[first:end, otlp.POINT : otlp.POINT_END + 1].tolist()
        for i, text, place in zip(range(first, end), self._attributes(metric, first, end), points, strict=True):
            pairs = quantiles_of(self._found.raw, *place)
            self._looked.quantiles[i] = [value for _, value in pairs]
            slots.append(self._slots.summary(metric, text, tuple(q for q, _ in pairs)))
        return slots

    def _attributes(self, metric: Metric, first: int, end: int) -> list[bytes]:
        raw, ends = self._found.raw, self._ends[first:end]
        if min(ends) >= 0:
            return [raw[a:b] for a, b in zip(self._starts[first:end], ends, strict=True)]
        points = self._found.points[first:end, otlp.POINT : otlp.POINT_END + 1].tolist()
        return [scattered(raw, metric.kind, a, b) for a, b in points]
