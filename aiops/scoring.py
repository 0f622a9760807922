"""Score a file of series: `aiops score`.

Rules of the output: the rows of the input in their order, one verdict each. A row's verdict depends on earlier rows of
its series and itself only. A row whose timestamp is not later than every earlier one of its series gets no opinion
(NaN) and teaches nothing: a clock that was set back stands still until it has caught up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError
from aiops.model import F64, I64
from detectors import Bank, rarity_threshold
from detectors.joint import Joint
from detectors.pager import page_rows

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("series", "entity")
"""Columns that may name the series; without one the file is one series."""

MILLISECONDS_FROM = 1e11
"""Numeric timestamps this large are unix ms, smaller ones unix s: 1e11 s is the year 5138, 1e11 ms is 1973."""

LATEST_MS = 4e15
"""Later times than this (the year 128,000) are a mistake."""

Progress = Callable[[int, int], None]
"""Told how many series are done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Table:
    """The file as arrays, one entry per row: what it says and what is said of it."""

    times: I64
    numbers: F64
    joint: bool
    verdicts: F64
    page: NDArray[np.bool_]


def score_file(
    source: Path,
    output: Path,
    *,
    joint: bool = False,
    page_budget_per_30d: float = 1.0,
    progress: Progress | None = None,
) -> None:
    """Score every row of `source` with what earlier rows of its series taught, and write `output`.

    Parameters
    ----------
    source : Parquet or CSV with columns series (or entity; optional), timestamp (unix s, unix ms or ISO 8601), value;
        with `joint` every other numeric column is a channel of the series
    output : Parquet or CSV by its suffix, columns series, timestamp, score, expected, lower, upper, page. `score` is
        rarity; expected and band are those of the value, with `joint` NaN. An existing file is replaced
    page_budget_per_30d : false pages per series and 30 days behind the `page` column

    Raises
    ------
    InputError : a file cannot be read, lacks a column or has a cell that is no time or number; says file, column, rule
    """
    if not page_budget_per_30d > 0.0:
        raise InputError(f"page_budget_per_30d must be > 0, got {page_budget_per_30d}")
    frame = _read(source)
    name, channels = _columns(frame, source, joint=joint)
    times = _times_ms(frame, source)
    values = np.stack([_numbers(frame, channel, source) for channel in channels], axis=1)
    threshold = rarity_threshold(page_budget_per_30d / 30.0)
    table = _Table(times, values, joint, np.full((4, len(frame)), np.nan), np.zeros(len(frame), np.bool_))
    groups = _groups(frame, name)
    for done, rows in enumerate(groups):
        _score_series(table, rows, threshold)
        if progress is not None:
            progress(done + 1, len(groups))
    _write(frame, name, table, output)


def _score_series(table: _Table, rows: I64, threshold: float) -> None:
    """Fill in the verdicts and pages of one series, whose rows in the file are `rows`."""
    latest = np.maximum.accumulate(table.times[rows])
    rows = rows[np.r_[True, latest[1:] > latest[:-1]]]
    times, values = table.times[rows], table.numbers[rows]
    if table.joint:
        table.verdicts[0, rows] = Joint(values.shape[1]).update(times, values).rarity[:, 0]
    else:
        said = Bank(1).update(times, values)
        table.verdicts[:, rows] = np.stack([said.rarity, said.expected, said.lower, said.upper])[:, :, 0]
    table.page[rows[page_rows(times, table.verdicts[0, rows], threshold)]] = True


def _read(source: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if source.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(source)
        else:
            frame = pd.read_csv(source, dtype=dict.fromkeys(NAMES, str))
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{source}: cannot be read as Parquet or CSV: {why}") from error
    return frame


def _columns(frame: pd.DataFrame, source: Path, *, joint: bool) -> tuple[str, list[str]]:
    """Name of the series column ("" = none) and the columns with values."""
    found = [str(c) for c in frame.columns]
    if "timestamp" not in found:
        raise InputError(f"{source}: timestamp: column is missing, found {', '.join(found) or 'none'}")
    name = next((c for c in NAMES if c in found), "")
    others = [c for c in found if c not in {name, "timestamp"}]
    if joint:
        if not others:
            raise InputError(f"{source}: at least one channel column is needed beside timestamp")
        return name, others
    if "value" not in found:
        raise InputError(f"{source}: value: column is missing, found {', '.join(found)}; several channels need --joint")
    return name, ["value"]


def _times_ms(frame: pd.DataFrame, source: Path) -> I64:
    import pandas as pd

    column = frame["timestamp"]
    if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(column):
        column = column.astype(str)
    raw = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    times = np.where(np.abs(raw) >= MILLISECONDS_FROM, raw, raw * 1e3)
    text = np.isnan(raw) & column.notna().to_numpy()
    if text.any():
        parsed = pd.to_datetime(column[text], utc=True, errors="coerce", format="ISO8601")
        since = (parsed - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(milliseconds=1)
        times[text] = since.to_numpy(np.float64, na_value=np.nan)
    bad = ~(np.abs(times) <= LATEST_MS)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{source}: timestamp: row {row} must be unix s, unix ms or ISO 8601, got {column.iloc[row]!r}"
        )
    return np.round(times).astype(np.int64)


def _numbers(frame: pd.DataFrame, name: str, source: Path) -> F64:
    import pandas as pd

    column = frame[name]
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if not pd.api.types.is_numeric_dtype(column):
        bad = np.isnan(numbers) & column.notna().to_numpy()
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(f"{source}: {name}: row {row} must be a number or empty, got {column.iloc[row]!r}")
    return numbers


def _groups(frame: pd.DataFrame, name: str) -> list[I64]:
    """Row numbers of each series, in the order of the file."""
    if not len(frame):
        return []
    if not name:
        return [np.arange(len(frame))]
    codes, _ = frame[name].astype(str).factorize()
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _write(frame: pd.DataFrame, name: str, table: _Table, output: Path) -> None:
    import pandas as pd

    rows = pd.DataFrame(
        {
            "series": frame[name] if name else "",
            "timestamp": frame["timestamp"],
            "score": table.verdicts[0],
            "expected": table.verdicts[1],
            "lower": table.verdicts[2],
            "upper": table.verdicts[3],
            "page": table.page,
        },
        index=frame.index,
    )
    try:
        if output.suffix.lower() in {".parquet", ".pq"}:
            rows.to_parquet(output, index=False)
        else:
            rows.to_csv(output, index=False)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error}") from error
