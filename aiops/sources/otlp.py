"""OTLP metrics over HTTP: a request body in, checked samples out, named as Prometheus would name them.

Sums, histograms and exponential histograms become cumulative counters and classic buckets, so that signal packs find
what they know. A request is taken whole, refused whole, or, where single data points are wrong, taken without them;
the answer then says how many and why. What is raised is permanent (`InputError`) except `Overloaded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from aiops.errors import TooLarge
from aiops.model import F64, I32, I64, Bools
from aiops.sources import _otlp_scan as otlp
from aiops.sources._otlp_body import format_of, plain_body
from aiops.sources._otlp_expand import REPEATED, SAMPLES, expand
from aiops.sources._otlp_lookup import LookedUp, look_up
from aiops.sources._otlp_marks import Mark, Marks
from aiops.sources._otlp_points import Scanned, scan
from aiops.sources._otlp_slots import REASONS, Slots
from aiops.sources._pushed_samples import Samples, Taken, WriteLimits

MAX_NAMES_BYTES = 128 * 2**20
"""Room for what is known of data points. Chosen: that of the raw series behind them, `SeriesLimits.max_label_bytes`."""

_FAR_MS = 2**62


@dataclass(frozen=True, slots=True)
class Read:
    """A request that was read: its samples, what its sender is told, and how to end it."""

    samples: Samples
    answer: Taken
    taken: Callable[[], None]
    """To be called once the samples are somewhere."""
    refused: Callable[[], None]
    """To be called instead when they are not: the sender comes again, and nothing must count twice."""


class OtlpReader:
    """Reads requests; remembers names, and the totals of delta series.

    Parameters
    ----------
    offer : takes the samples of a request, all or none
    limits : beyond them a body is refused
    """

    def __init__(
        self,
        offer: Callable[[Samples], None],
        limits: WriteLimits = WriteLimits(),  # noqa: B008 - frozen, so it cannot be changed by a call
        max_names_bytes: int = MAX_NAMES_BYTES,
    ) -> None:
        self._offer, self._limits = offer, limits
        self._slots = Slots(limits, max_names_bytes)
        self._marks = Marks(self._slots)

    def take(self, body: bytes, headers: Mapping[str, str], closed_ms: int | None = None) -> Taken:
        """Take a request; arguments and errors as `read`.

        Raises
        ------
        Overloaded : from `offer`; nothing of the request is remembered then
        """
        request = self.read(body, headers, closed_ms)
        try:
            self._offer(request.samples)
        except BaseException:
            request.refused()
            raise
        request.taken()
        return request.answer

    def read(self, body: bytes, headers: Mapping[str, str], closed_ms: int | None = None) -> Read:
        """Read a request, whose samples somebody else takes; several may be under way.

        Parameters
        ----------
        body : the bytes as sent
        headers : names in lower case
        closed_ms : samples up to here would come too late, so resets before it are not marked; None = before the first
            tick, which a sample of long ago must not become

        Raises
        ------
        UnsupportedMedia : neither protobuf nor JSON, or another compression than gzip (415)
        TooLarge : over a limit (413)
        InputError : anything else that sending it again will not heal (400)
        """
        is_json = format_of(headers) == "json"
        raw = plain_body(body, headers, self._limits)
        if is_json:
            from aiops.sources._otlp_json import to_protobuf

            raw = to_protobuf(raw)
        self._slots.tidy()
        found = scan(raw, self._limits)
        looked = look_up(found, self._slots)
        samples, mark = self._samples(found, looked, _FAR_MS if closed_ms is None else closed_ms)
        self._marks.add(mark)
        answer = _answer(found, looked.slots)
        return Read(samples, answer, partial(self._marks.done, mark), partial(self._marks.undo, mark))

    # -- inside

    def _samples(self, found: Scanned, looked: LookedUp, closed_ms: int) -> tuple[Samples, Mark]:
        """The samples of all points that have a slot, and the mark they leave on the state."""
        state, slots = self._slots, looked.slots
        used = slots[slots >= 0]
        widths = state.widths[used]
        count = int(widths.sum())
        if count > self._limits.samples_per_body:
            raise TooLarge(f"the body has {count} samples, the limit is {self._limits.samples_per_body}")
        mark = Mark(state, used)
        part, repeated = _expanded(found, looked, state, closed_ms, widths)
        mark.close(state)
        skipped = {"repeated_deltas": repeated} if repeated else {}
        return _joined(state, [part, *_summaries(found, looked, state.firsts)], skipped), mark


_Part = tuple[I32, I64, F64, Bools]


def _expanded(found: Scanned, looked: LookedUp, state: Slots, closed_ms: int, widths: I64) -> tuple[_Part, int]:
    """The samples the kernel makes of all points, and how many deltas came twice."""
    most = 2 * int(widths.sum())  # each value may get a zero before it
    series, times = np.empty(most, np.int32), np.empty(most, np.int64)
    values, stale = np.empty(most), np.empty(most, np.bool_)
    row, tally = np.zeros(max(2, int(widths.max(initial=0)))), np.zeros(2, np.int64)
    buffer = np.frombuffer(found.raw, np.uint8)
    points = (found.metrics, found.points, found.numbers, looked.slots, looked.grids)
    marks = (state.firsts, state.starts, state.lasts, state.totals)
    expand(buffer, points, marks, closed_ms, row, (series, times, values, stale), tally)
    n = int(tally[SAMPLES])
    return (series[:n], times[:n], values[:n], stale[:n]), int(tally[REPEATED])


def _summaries(found: Scanned, looked: LookedUp, firsts: I64) -> list[_Part]:
    """The quantiles of summaries, which the kernel leaves out."""
    parts = list[_Part]()
    for i, values in looked.quantiles.items():
        if looked.slots[i] >= 0 and values:
            is_stale = bool(found.points[i, otlp.FLAGS] & 1)
            series = (firsts[looked.slots[i]] + 2 + np.arange(len(values))).astype(np.int32)
            times = np.full(len(values), found.numbers[i, otlp.TIME_NS] // np.uint64(1_000_000), np.int64)
            numbers = np.full(len(values), np.nan) if is_stale else np.array(values)
            parts.append((series, times, numbers, np.full(len(values), is_stale)))
    return parts


def _joined(state: Slots, parts: list[_Part], skipped: dict[str, int]) -> Samples:
    series, times, values, stale = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    infinite = np.isinf(values)
    values[infinite] = np.nan
    skipped |= {"infinite": int(np.count_nonzero(infinite))}
    return Samples(state.keys, series, times, values, stale, skipped, state.known)


def _answer(found: Scanned, slots: I64) -> Taken:
    wrong = np.flatnonzero(slots < 0)
    if not len(wrong):
        return Taken()
    reasons, first, counts = np.unique(slots[wrong], return_index=True, return_counts=True)
    spans = found.metrics[found.points[wrong[first], otlp.METRIC], otlp.NAME : otlp.NAME_END + 1].tolist()
    names = [found.raw[a:b][:80].decode("utf-8", "replace") for a, b in spans]
    texts = [
        f"{REASONS[-1 - reason]} {count} (first in {name!r})"
        for reason, count, name in zip(reasons.tolist(), counts.tolist(), names, strict=True)
    ]
    return Taken(len(wrong), f"data points left out: {'; '.join(texts)}")


__all__ = ["OtlpReader"]
