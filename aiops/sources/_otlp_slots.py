"""Which series a data point stands for: looked up by the bytes that identify it, made of names only once.

A *slot* is one label set of one metric: the series of all its values (a count, a sum, buckets), whose keys follow each
other. Bytes are compared, never hashes alone, so a sender cannot mix up two series. When the room is used up everything
is forgotten at once: names are then made again, and a series of deltas goes on from 0, which reads as a reset.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, TooLarge
from aiops.model import F64, I64
from aiops.sources import _otlp_scan as otlp
from aiops.sources._otlp_attributes import attributes_of, number_text, text_of
from aiops.sources._otlp_grid import EMPTY, Grid
from aiops.sources._otlp_names import metric_name, point_labels, resource_labels, series_labels
from aiops.sources._pushed_samples import KnownNumbers, WriteLimits, fields, key_of, labels_of
from aiops.sources._series_index import UNKNOWN

log = logging.getLogger(__name__)

_U64 = NDArray[np.uint64]

REASONS = ("no time", "no value", "temporality", "metric name", "labels", "bounds", "bucket counts", "scale")
"""Why a data point is refused; the i-th is told by -1 - i in place of a slot."""

TIME, VALUE, TEMPORALITY, NAME, LABELS, BOUNDS, COUNTS, SCALE = (-1 - i for i in range(len(REASONS)))

_MOST_SERIES = 1000
"""Buckets or quantiles of one data point. Chosen: six times the buckets of the largest histogram an SDK sends."""

_POINT_ATTRIBUTES = {otlp.HISTOGRAM: 74, otlp.EXPONENTIAL: 10}
"""Tags of the attributes in data points; 58 in the others."""

_OVERHEAD_BYTES = 250
"""What Python takes for a dict entry, two small objects and the row of the arrays, besides the bytes. Measured."""


@dataclass(frozen=True, slots=True)
class _Covered:
    """The grid of an exponential histogram, and the buckets at the latest scale that are known to lie on it."""

    scale: int
    first: int
    last: int
    slot: int
    grid: Grid
    numbers: tuple[int, int, int]


@dataclass(slots=True)
class Metric:
    """One metric of one resource.

    `slots` maps what identifies a data point to its slot, or to why it is refused; `layouts` does so for histograms, by
    bounds and then attributes; `grids` has the grid of an exponential histogram by its attributes. `name` is empty for
    a metric that has none Prometheus would take.
    """

    name: str
    kind: int
    resource: dict[str, str]
    slots: dict[bytes | tuple[bytes, object], int] = field(default_factory=dict)
    layouts: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    grids: dict[bytes, _Covered] = field(default_factory=dict)


@dataclass(slots=True)
class Resource:
    """A resource: the labels of all that it reports, and its metrics by name, unit, kind, temporality and monotony."""

    labels: dict[str, str]
    metrics: dict[tuple[bytes, bytes, int, int, int], Metric] = field(default_factory=dict)


class Slots:
    """Metrics, slots and the state of slots.

    Parameters
    ----------
    limits : of one body; longer label sets are refused
    max_bytes : room for names, keys and state

    Attributes
    ----------
    keys : all keys, slot by slot
    known : their numbers, filled in by whom samples are offered to
    life : how often everything was forgotten; numbers of one life mean nothing in another
    firsts, starts, lasts, totals : see `_otlp_expand.expand`
    """

    def __init__(self, limits: WriteLimits, max_bytes: int) -> None:
        self._limits, self._max_bytes = limits, max_bytes
        self.life = 0
        self._clear()

    def _clear(self) -> None:
        self.life += 1
        self.keys: list[bytes] = []
        self.firsts: I64 = np.zeros(64, np.int64)
        self.widths: I64 = np.zeros(64, np.int64)
        self.starts: _U64 = np.zeros(64, np.uint64)
        self.lasts: _U64 = np.zeros(64, np.uint64)
        self.totals: F64 = np.zeros(64)
        self.known = KnownNumbers(np.full(64, UNKNOWN, np.int32))
        self._count, self._bytes = 0, 0
        self._resources: dict[bytes, Resource] = {}

    def tidy(self) -> None:
        """Forget everything if the room is used up. Not to be called between looking up slots and using them."""
        if self._bytes > self._max_bytes:
            log.warning("OTLP names forgotten, there were too many slots=%d bytes=%d", self._count, self._bytes)
            self._clear()

    def resource(self, content: bytes) -> Resource:
        """The resource with this content. InputError if it is malformed."""
        resource = self._resources.get(content)
        if resource is None:
            labels = resource_labels(dict(attributes_of(content, 0, len(content), 10)))
            resource = self._resources[content] = Resource(labels)
            self._bytes += len(content) + _OVERHEAD_BYTES
        return resource

    def metric(self, resource: Resource, raw: bytes, row: Sequence[int]) -> Metric:
        """The metric of a row of the scanner's `metrics`. InputError if a name is not UTF-8."""
        name, unit = raw[row[otlp.NAME] : row[otlp.NAME_END]], raw[row[otlp.UNIT] : row[otlp.UNIT_END]]
        kind = row[otlp.KIND]
        place = (name, unit, kind, row[otlp.TEMPORALITY], row[otlp.MONOTONIC])
        metric = resource.metrics.get(place)
        if metric is None:
            family = metric_name(
                text_of(name, 0, len(name)),
                text_of(unit, 0, len(unit)),
                is_counter=kind == otlp.SUM and bool(row[otlp.MONOTONIC]),
                is_gauge=kind == otlp.GAUGE,
            )
            metric = resource.metrics[place] = Metric(family, kind, resource.labels)
            self._bytes += len(name) + len(unit) + 2 * _OVERHEAD_BYTES
        return metric

    def simple(self, metric: Metric, attributes: bytes) -> int:
        """The slot of a number."""
        slot = metric.slots.get(attributes)
        if slot is None:
            slot = metric.slots[attributes] = self._new(metric, attributes, ((metric.name, None),))
        return slot

    def histogram(self, metric: Metric, attributes: bytes, bounds: bytes) -> int:
        """The slot of a histogram with these bounds (packed doubles)."""
        layout = metric.layouts.get(bounds)
        if layout is None:
            layout = metric.layouts[bounds] = {}
            self._bytes += len(bounds) + _OVERHEAD_BYTES
        slot = layout.get(attributes)
        if slot is None:
            upper = np.frombuffer(bounds, "<f8")
            if len(upper) > _MOST_SERIES or not (upper[1:] > upper[:-1]).all() or np.isnan(upper).any():
                return BOUNDS
            slot = layout[attributes] = self._new(metric, attributes, _buckets(metric.name, upper.tolist()))
        return slot

    def exponential(
        self, metric: Metric, attributes: bytes, scale: int, first: int, last: int
    ) -> tuple[int, tuple[int, int, int]]:
        """The slot of an exponential histogram with these buckets filled; scale, low and size of its grid."""
        before = metric.grids.get(attributes)
        if (
            before is not None
            and before.scale == scale
            and (last < first or before.first <= first <= last <= before.last)
        ):
            return before.slot, before.numbers
        around = Grid.around(scale, first, last) if first <= last else EMPTY
        grid = around if before is None else before.grid.widened(around)
        slot = metric.slots.get((attributes, grid))
        if slot is None:
            slot = self._new(metric, attributes, _buckets(metric.name, grid.bounds()))
            metric.slots[attributes, grid] = slot
            if slot >= 0 and before is not None and before.slot >= 0:
                self._carry(before, slot, grid)
        if before is not None and before.scale == scale and before.first <= before.last:
            first, last = min(first, before.first), max(last, before.last)
        now = metric.grids[attributes] = _Covered(scale, first, last, slot, grid, (grid.g, grid.low, len(grid)))
        return slot, now.numbers

    def summary(self, metric: Metric, attributes: bytes, quantiles: tuple[float, ...]) -> int:
        """The slot of a summary with these quantiles."""
        slot = metric.slots.get((attributes, quantiles))
        if slot is None:
            if len(quantiles) > _MOST_SERIES:
                return BOUNDS
            named = tuple((metric.name, ("quantile", number_text(q))) for q in quantiles)
            counts = ((f"{metric.name}_count", None), (f"{metric.name}_sum", None))
            slot = metric.slots[attributes, quantiles] = self._new(metric, attributes, (*counts, *named))
        return slot

    def _new(
        self,
        metric: Metric,
        attributes: bytes,
        names: Sequence[tuple[str, tuple[str, str] | None]],
    ) -> int:
        if self._bytes > 2 * self._max_bytes:
            raise TooLarge(f"the body brings more new names than fit into {self._max_bytes} bytes")
        tag = _POINT_ATTRIBUTES.get(metric.kind, 58)
        labels = point_labels(attributes_of(attributes, 0, len(attributes), tag), metric.resource)
        keys = [] if labels is None else [key_of(series_labels(name, labels, extra)) for name, extra in names]
        slot = self._numbered(keys) if keys and self._fit(keys) else LABELS
        self._bytes += len(attributes) + _OVERHEAD_BYTES
        return slot

    def _fit(self, keys: list[bytes]) -> bool:
        try:
            for key in keys:
                labels_of(key, self._limits)
        except TooLarge:
            return False
        except InputError:
            # Two labels with one name cannot come from a dict; what is left is a text that UTF-8 cannot write.
            return False
        return True

    def _numbered(self, keys: list[bytes]) -> int:
        slot = self._count
        if slot == len(self.firsts):
            for name in ("firsts", "widths", "starts", "lasts"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        first = len(self.keys)
        if first + len(keys) > len(self.totals):
            more = max(len(self.totals), len(keys))
            self.totals = np.concatenate([self.totals, np.zeros(more)])
            self.known.numbers = np.concatenate([self.known.numbers, np.full(more, UNKNOWN, np.int32)])
        self.firsts[slot], self.widths[slot] = first, len(keys)
        self.keys += keys
        self._count += 1
        self._bytes += sum(map(len, keys)) + 64 * len(keys)  # a bytes object, its places in list and arrays
        return slot

    def _carry(self, before: _Covered, slot: int, grid: Grid) -> None:
        """Let totals go on when a grid widens: nothing was seen outside the old one, so the counts there are known."""
        old = before.slot
        self.starts[slot], self.lasts[slot] = self.starts[old], self.lasts[old]
        was = self.totals[self.firsts[old] : self.firsts[old] + self.widths[old]]
        now = self.totals[self.firsts[slot] : self.firsts[slot] + self.widths[slot]]
        now[:2], now[-1] = was[:2], was[-1]
        for j in range(len(grid)):
            k = ((grid.low + j) << (before.grid.g - grid.g)) - before.grid.low
            now[2 + j] = was[2 + min(max(k, 0), len(before.grid))]


def _buckets(name: str, upper: list[float]) -> list[tuple[str, tuple[str, str] | None]]:
    """Names of the series of a histogram, in the order in which `expand` writes them."""
    texts = [*map(number_text, upper[:-1] if upper and upper[-1] == np.inf else upper), "+Inf"]
    return [(f"{name}_count", None), (f"{name}_sum", None), *((f"{name}_bucket", ("le", text)) for text in texts)]


def scattered(raw: bytes, kind: int, start: int, end: int) -> bytes:
    """The attributes of a data point that are not in one piece."""
    wanted = _POINT_ATTRIBUTES.get(kind, 58)
    return b"".join(raw[a:b] for tag, a, _, b in fields(raw, start, end) if tag == wanted)
