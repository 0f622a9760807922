"""What a Prometheus server answers to a range query, read from its JSON."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from aiops.errors import Refused, SourceError, Unavailable
from aiops.model import F64, I64, Labels

BULK_BYTES = 256 * 1024
"""Answers larger than this are read by compiled code in a thread; for smaller ones plain Python is quicker (measured:
loading the compiled code takes longer than reading 300 kB without it)."""

TOO_HEAVY = re.compile(
    r"too many samples|too many points|maximum resolution|time range exceeds the limit|timed out", re.IGNORECASE
)
"""Errors of Prometheus, VictoriaMetrics and Mimir that a shorter range avoids."""

MESSAGE_CHARS = 300
"""Of a server's error message that are passed on."""


class TooHeavy(SourceError):
    """The range is too long for one request. Never leaves the reader: it asks for the halves, then raises `cause`."""

    def __init__(self, cause: SourceError) -> None:
        self.cause = cause
        super().__init__(str(cause))


class Partial(Unavailable):
    """The server answered, but says itself that data is missing."""


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: msgspec.Raw = msgspec.Raw(b"")
    histograms: msgspec.Raw = msgspec.Raw(b"")


class _Data(msgspec.Struct):
    resultType: str = ""  # noqa: N815 - the server's name
    result: list[_Series] | None = None


class _Body(msgspec.Struct):
    status: str = ""
    data: _Data | None = None
    errorType: str = ""  # noqa: N815 - the server's name
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None
    isPartial: bool = False  # noqa: N815 - VictoriaMetrics' name


class _ErrorBody(msgspec.Struct):
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Steps of a range query, first and last included, all in unix ms."""

    start_ms: int
    end_ms: int
    step_ms: int

    @classmethod
    def aligned(cls, start_ms: int, end_ms: int, step_s: float) -> Window:
        """Return the steps inside [start, end] that are multiples of the step, so that the server's caches hit."""
        step_ms = round(step_s * 1000)
        if step_ms < 1 or abs(step_ms - step_s * 1000) > 1e-6:
            raise ValueError(f"step_s must be a positive whole number of milliseconds, got {step_s}")
        return cls(-(-start_ms // step_ms) * step_ms, end_ms // step_ms * step_ms, step_ms)

    @property
    def rows(self) -> int:
        """Number of steps; 0 when the end is before the start."""
        return max(0, (self.end_ms - self.start_ms) // self.step_ms + 1)

    def times(self) -> I64:
        """All steps, (rows,)."""
        return self.start_ms + self.step_ms * np.arange(self.rows, dtype=np.int64)

    def split(self, rows: int) -> Iterator[Window]:
        """Cut into windows of at most so many rows, in time order."""
        for first in range(0, self.rows, rows):
            start = self.start_ms + first * self.step_ms
            yield Window(start, min(self.end_ms, start + (rows - 1) * self.step_ms), self.step_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """The series of one answer on the steps of its window.

    Parameters
    ----------
    columns : label set -> (rows,) values; NaN = missing
    counts : samples by what was odd about them, see `aiops.sources._prometheus_health`
    warnings : what the server had to say
    is_partial : the server admits that data is missing
    """

    columns: dict[Labels, F64]
    counts: Counter[str]
    warnings: tuple[str, ...] = ()
    is_partial: bool = False


def read_answer(body: bytes | bytearray, window: Window, max_series: int) -> Answer:
    """Read the body of a 2xx answer to a range query.

    Raises
    ------
    Unavailable : the body is cut off or says that the query failed
    Refused : the body is something else than a matrix
    """
    parsed = _parse(body)
    if parsed.status != "success" or parsed.data is None:
        raise Unavailable(f"the server answered status {parsed.status!r}: {parsed.error[:MESSAGE_CHARS]}")
    if parsed.data.resultType != "matrix":
        raise Refused(f"a range query must give a matrix, got {parsed.data.resultType!r}")
    series = parsed.data.result or []
    counts: Counter[str] = Counter(series_over_limit=max(0, len(series) - max_series))
    columns: dict[Labels, F64] = {}
    read = _bulk_reader() if len(body) > BULK_BYTES else _read_plain
    for one in series[:max_series]:
        _add_series(one, window, columns, counts, read)
    notes = tuple(parsed.warnings or ())
    counts["infos"] += len(parsed.infos or ())
    counts["warnings"] += len(notes)
    is_partial = parsed.isPartial or any(not note.startswith("PromQL ") for note in notes)
    counts["partial"] += is_partial
    return Answer(columns, +counts, notes, is_partial)


def _parse(body: bytes | bytearray) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as e:
        raise Refused(f"the answer is not one of Prometheus: {e}") from e
    except UnicodeDecodeError as e:
        raise Refused(f"the answer is not UTF-8: {e.reason}") from e
    except msgspec.DecodeError as e:
        if body.lstrip()[:1] != b"{":
            raise Refused("the answer is not JSON: is the url that of a Prometheus API?") from e
        raise Unavailable(f"the answer is not complete JSON: {e}") from e


def error_message(body: bytes | bytearray) -> str:
    """What the server says about a failed request, cut to a bearable length."""
    try:
        parsed = msgspec.json.decode(body, type=_ErrorBody)
        text = parsed.error or parsed.message
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace")
    return " ".join(text.split())[:MESSAGE_CHARS]


class _Reader(Protocol):
    def __call__(self, raw: msgspec.Raw, window: Window, counts: Counter[str]) -> F64: ...


def _add_series(one: _Series, window: Window, columns: dict[Labels, F64], counts: Counter[str], read: _Reader) -> None:
    if memoryview(one.histograms).nbytes:
        counts["histogram"] += 1
    if not memoryview(one.values).nbytes:
        return
    labels = tuple(sorted(one.metric.items()))
    column = read(one.values, window, counts)
    earlier = columns.setdefault(labels, column)
    if earlier is not column:
        counts["duplicate_series"] += 1
        np.copyto(earlier, column, where=np.isnan(earlier))


def _read_plain(raw: msgspec.Raw, window: Window, counts: Counter[str]) -> F64:
    try:
        samples = msgspec.json.decode(raw, type=list[tuple[float, str]])
        pairs = [(round(seconds * 1000), float(text)) for seconds, text in samples]
    except (msgspec.MsgspecError, ValueError, OverflowError) as e:
        raise Refused(f"the answer holds what is no sample: {e}") from e
    column = np.full(window.rows, np.nan)
    seen = set()
    for time_ms, value in pairs:
        row, rest = divmod(time_ms - window.start_ms, window.step_ms)
        if rest or not 0 <= row < window.rows:
            counts["off_grid"] += 1
            continue
        counts["duplicate_sample"] += row in seen
        seen.add(row)
        column[row] = value if math.isfinite(value) else np.nan
    counts["samples"] += len(pairs)
    counts["nan"] += sum(math.isnan(value) for _, value in pairs)
    counts["infinite"] += sum(math.isinf(value) for _, value in pairs)
    return column


def _bulk_reader() -> _Reader:
    from aiops.sources import _prometheus_numbers as numbers

    table = numbers.powers()

    def read(raw: msgspec.Raw, window: Window, counts: Counter[str]) -> F64:
        column = np.full(window.rows, np.nan)
        found = np.zeros(len(numbers.REASONS), np.int64)
        text = np.frombuffer(raw, np.uint8)
        if numbers.scan(text, window.start_ms, window.step_ms, table, column, found) == numbers.UNDECIDED:
            return _read_plain(raw, window, counts)
        counts.update(dict(zip(numbers.REASONS, found.tolist(), strict=True)))
        return column

    return read
