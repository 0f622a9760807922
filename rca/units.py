"""Numbers with the unit that a metric's name tells, as a person would say them."""

from __future__ import annotations

import re

import numpy as np

from rca.families import base, words

# Names of our own signals, which are in seconds though the name does not say so (docs/root_cause.md).
_BARE_SECONDS = re.compile(r"(client_)?latency_(p\d+|mean)")
_SECONDS = {
    "seconds": 1.0,
    "s": 1.0,
    "ms": 1e-3,
    "millis": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "microseconds": 1e-6,
}
_SUMMED = frozenset({"total", "sum", "cpu", "per"})  # `cpu_seconds_total` and `bytes_per_second` are no durations


def number(value: float) -> str:
    """Three significant digits, without an exponent where a person would not use one.

    >>> number(0.123456), number(1234567.0), number(12.0)
    ('0.123', '1230000', '12')
    """
    if not np.isfinite(value) or value == 0:
        return "0" if value == 0 else "unknown"
    size = int(np.floor(np.log10(abs(value))))
    if size < -4 or size > 12:
        return f"{value:.2e}"
    rounded = round(float(value), 2 - size)
    return f"{rounded:.{max(0, 2 - size)}f}".rstrip("0").rstrip(".") if size < 2 else f"{rounded:.0f}"


def amount(metric: str, value: float) -> str:
    """A value of a metric with its unit, where the name tells one.

    >>> amount("latency_p95", 0.12), amount("error_ratio", 0.4), amount("memory_bytes", 3e8), amount("queue_depth", 7)
    ('120 ms', '40%', '286 MiB', '7')
    >>> amount("http_ms", 1500), amount("cpu_pct", 12.5), amount("cpu_cores", 0.4), amount("latency_Average", 2)
    ('1.5 s', '12.5%', '0.4 cores', '2')
    """
    named = words(metric)
    if not np.isfinite(value) or not named:
        return number(value)
    seconds = 1.0 if _BARE_SECONDS.fullmatch(base(metric)) else _SECONDS.get(named[-1])
    if seconds is not None and _SUMMED.isdisjoint(named):
        return duration(value * seconds)
    if named[-1] == "ratio":
        return f"{number(100 * value)}%"
    if named[-1] in ("pct", "percent"):
        return f"{number(value)}%"
    if named[-1] == "bytes" and _SUMMED.isdisjoint(named):
        return _size(value)
    return f"{number(value)} cores" if named[-1] == "cores" else number(value)


def duration(seconds: float) -> str:
    """A time as a person would say it.

    >>> duration(0.0031), duration(40), duration(89), duration(400), duration(9000)
    ('3.1 ms', '40 s', '89 s', '7 min', '2.5 h')
    """
    size = abs(seconds)
    if 0 < size < 1:
        return f"{number(1000 * seconds)} ms"
    if size < 90:  # chosen: beyond it, nobody counts seconds
        return f"{number(seconds)} s"
    return f"{seconds / 60:.0f} min" if size < 90 * 60 else f"{number(seconds / 3600)} h"


def _size(size_bytes: float) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if abs(size_bytes) >= 2**power:
            return f"{number(size_bytes / 2**power)} {unit}"
    return f"{number(size_bytes)} B"
