"""Numbers as people say them: sizes, units, times and how rare something is.

Every text a person reads (pages, notifications, console) takes its numbers from here, so that the same incident reads
the same everywhere. `rca/units.py` says them the same way for its evidence, which stands beside. NaN is said in words,
never printed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

_BYTE_STEPS = ((1024.0**4, "TiB"), (1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"), (1.0, "B"))
_TIME_STEPS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_UNITS = {"bytes": "B", "byte": "B", "B": "B", "seconds": "s", "s": "s", "ratio": "%", "percentunit": "%"}
_SPAN_STEPS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
_MARKS_DAYS = ((3650, "10 years"), (365, "a year"), (90, "90 days"), (30, "30 days"), (7, "a week"), (1, "a day"))
_NO_VALUE = "no value"


def plain(value: float) -> str:
    """Three significant digits, thousands apart; never scientific between 0.001 and a million.

    >>> plain(0.3104), plain(12.0), plain(1234.5), plain(2.5e7), plain(0.00002)
    ('0.31', '12', '1,234', '25 million', '0.00002')
    """
    if not math.isfinite(value):
        return _NO_VALUE
    size = abs(value)
    if size >= 1e12:
        return f"{value:.2e}"
    if size >= 1e6:
        million, name = (1e9, "billion") if size >= 1e9 else (1e6, "million")
        return f"{plain(value / million)} {name}"
    if size >= 100:
        return f"{value:,.0f}"
    if size == 0.0 or size < 1e-6:
        return "0" if size == 0.0 else f"{value:.1e}"
    digits = 2 - math.floor(math.log10(size))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str = "") -> str:
    """Say a value with its unit, scaled to what people use for it.

    `s` and `bytes` are scaled, also per second ("bytes/s"); `ratio` is said in percent.

    >>> quantity(1.9, "s"), quantity(0.045, "s"), quantity(5400, "s"), quantity(3.2 * 2**30, "bytes")
    ('1.9 s', '45 ms', '90 min', '3.2 GiB')
    >>> quantity(0.061, "ratio"), quantity(120.0, "req/s"), quantity(float("nan"), "s")
    ('6.1%', '120 req/s', 'no value')
    """
    if not math.isfinite(value):
        return _NO_VALUE
    base, slash, per = unit.partition("/")
    known = _UNITS.get(base, base)
    if known == "B":
        number, name = _bytes(value)
    elif known == "s" and not slash:
        number, name = _seconds(value)
    elif known == "%":
        number, name = (value if base == "%" else value * 100.0), "%"
    else:
        number, name = value, base
    return f"{plain(number)}{'' if name == '%' else ' '}{name}{slash}{per}".rstrip()


def _bytes(value: float) -> tuple[float, str]:
    step, name = next((s for s in _BYTE_STEPS if abs(value) >= s[0]), _BYTE_STEPS[-1])
    return value / step, name


def _seconds(value: float) -> tuple[float, str]:
    size = abs(value)
    for step, name in _TIME_STEPS:
        if size >= 2 * step:
            return value / step, name
    if size >= 1.0 or size == 0.0:
        return value, "s"
    return (value * 1e3, "ms") if size >= 1e-3 else (value * 1e6, "µs")


def size(value: float, expected: float, unit: str = "", went: Literal["up", "down", "absent"] = "up") -> str:
    """How far a value is from what was expected of it.

    >>> size(1.9, 0.31, "s")
    '1.9 s, 6.1x the expected 310 ms'
    >>> size(12.0, 120.0, "req/s", "down"), size(0.2, 0.0, "ratio")
    ('12 req/s, 10% of the expected 120 req/s', '20% where 0% is expected')
    >>> size(float("nan"), 120.0, "req/s", "absent")
    'no data where 120 req/s is expected'
    """
    wanted = quantity(expected, unit)
    if went == "absent" or not math.isfinite(value):
        return f"no data where {wanted} is expected" if math.isfinite(expected) else "no data"
    said = quantity(value, unit)
    if not math.isfinite(expected):
        return said
    ratio = value / expected if expected > 0.0 and value >= 0.0 else math.nan
    # Beyond 1000x the expected value is as good as zero and the factor says nothing.
    if not ratio < 1000.0:
        return f"{said} where {wanted} is expected"
    if ratio >= 1.5:
        return f"{said}, {factor(ratio)} the expected {wanted}"
    if ratio > 1.0:
        return f"{said}, {plain_percent(ratio - 1.0)} above the expected {wanted}"
    return f"{said}, {plain_percent(ratio)} of the expected {wanted}"


def factor(ratio: float) -> str:
    """A multiple: `6.1x`, `12x`."""
    return f"{ratio:.1f}x" if ratio < 9.95 else f"{ratio:,.0f}x"


def plain_percent(share: float) -> str:
    """A share of one in whole percent, never rounded to 0 or 100 when it is neither.

    >>> plain_percent(0.714), plain_percent(0.001), plain_percent(0.9999), plain_percent(float("nan"))
    ('71%', 'under 1%', 'over 99%', 'no value')
    """
    if not math.isfinite(share):
        return _NO_VALUE
    if 0.0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1.0 else f"{share * 100:.0f}%"


def how_rare(rarity: float) -> str:
    """Say a rarity (-log10 of the pages per day this level would open on its series) in words.

    >>> how_rare(1.5), how_rare(0.9), how_rare(-0.7), how_rare(float("nan"))
    ('rarer than once in 30 days', 'rarer than once in a week', 'about 5 times a day', 'not known')
    """
    if math.isnan(rarity):
        return "not known"
    days = math.inf if rarity > 300.0 else 10.0 ** max(rarity, -300.0)
    for mark_days, name in _MARKS_DAYS:
        # A budget of one page in 30 days is the rarity 1.477: rounding must not put its border on the wrong side.
        if days >= mark_days * 0.999:
            return f"rarer than once in {name}"
    times = 1.0 / days if days > 0.001 else 1000.0
    return f"about {times:.0f} times a day" if times >= 1.5 else "about once a day"


def span(duration_ms: int) -> str:
    """A length of time in its two largest units.

    >>> span(200_000), span(0), span(90_000_000), span(3_600_000)
    ('3 min 20 s', '0 s', '1 d 1 h', '1 h')
    """
    left, words = max(0, duration_ms), list[str]()
    for step_ms, name in _SPAN_STEPS:
        count, left = divmod(left, step_ms)
        if words and not count:
            break
        if count:
            words.append(f"{count} {name}")
        if len(words) == 2:
            break
    return " ".join(words) or "0 s"


def moment(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds only where there are any; times no calendar holds are said as they are.

    >>> moment(1_700_000_000_000), moment(1_700_000_000_250)
    ('2023-11-14T22:13:20Z', '2023-11-14T22:13:20.250Z')
    """
    seconds, rest_ms = divmod(time_ms, 1000)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
    return f"{text}.{rest_ms:03d}Z" if rest_ms else f"{text}Z"


def clock(time_ms: int) -> str:
    """Date and minute for people: `14 Nov 22:13 UTC`."""
    iso = moment(time_ms)
    return iso if iso.endswith("ms") else datetime.fromisoformat(iso).strftime("%-d %b %H:%M UTC")


def counted(count: int, noun: str) -> str:
    """A number of things: `no alerts`, `1 alert`, `2 alerts`."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
