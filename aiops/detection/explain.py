"""Why a deviation was told: what a person woken by it asks first, in one sentence each.

Which band it left and since when; how rare that is; how often it has happened before, and at this hour; which parts of
the bank spoke; what would have kept it silent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from aiops.detection.told import REMEMBERED
from aiops.detection.track import Track
from aiops.model import Anomaly
from aiops.words import clock, how_rare, plain, quantity, span
from detectors.season import reached

Edges = tuple[float, float]

DAY_MS = 86_400_000
REMEMBERED_DAYS = 30
SAME_HOUR_MS = 1_800_000  # half an hour either way is "at this hour"
SPIKE_MS = 600_000  # chosen: what is over this soon was over before anybody could look
SPOKE = 2.0  # surprise from which a part of the bank is said to have spoken: once in a hundred samples
SILLIEST_BUDGET = 1e-4  # pages in 30 days; nobody sets a smaller one, so it is not offered
NARROW = 0.2  # chosen: a usual range within this share of its middle is said as one number
NO_BAND = (math.nan, math.nan)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def explained(anomaly: Anomaly, track: Track, *, usual: Edges = NO_BAND, ended: str = "") -> Anomaly:
    """An anomaly with its explanation.

    Parameters
    ----------
    usual : the season's band; NaN = it has no opinion
    ended : what ended it, unless it ended by itself
    """
    watched = track.shift.watched() if track.shift else ""
    usually = at_this_hour(anomaly.unit, *usual)
    text = explanation(anomaly, track.earlier_ms, usually, watched, jumped=track.jumped, counts=track.counts)
    return replace(anomaly, explanation=f"{text}; {ended}" if ended else text)


def explanation(
    anomaly: Anomaly,
    earlier_ms: Sequence[int] = (),
    usual: str = "",
    watched: str = "",
    *,
    jumped: bool | None = None,
    counts: Sequence[tuple[str, float]] = (),
) -> str:
    """All that is to be said of an anomaly.

    Parameters
    ----------
    earlier_ms : starts of earlier anomalies of this series, unix ms, any order
    usual : what the season expects at this hour, see `at_this_hour`; "" = it does not know
    watched : why the series was watched more closely than usual, in words; "" = it was not
    jumped : whether it left the band by one step, or little by little; None = not known
    counts : share of each detector in the verdicts on this series, see `Bank.counts`; empty = not known

    Examples
    --------
    >>> from aiops.model import SeriesKey
    >>> key = SeriesKey("latency_p95", "cart")
    >>> odd = Anomaly("a", key, "latency", "s", "up", True, 40 * DAY_MS, 0, None, 1.9, 0.2, 0.15, 0.31, 5.0, 2.5)
    >>> explanation(odd, [39 * DAY_MS, 20 * DAY_MS + 7_200_000, 5 * DAY_MS])
    ... # doctest: +NORMALIZE_WHITESPACE
    'above the usual 150 ms to 310 ms since 10 Feb 00:00 UTC; rarer than once in 90 days on this series; third time in
     30 days, the second at this hour; silent with min_absolute above 1.7 or page_budget_per_30d below 0.095'
    """
    if anomaly.went == "absent":
        parts = [
            f"no samples since {clock(anomaly.started_ms)}{_length(anomaly)}",
            "gaps this long are rarer than once in a thousand samples here",
            watched,
            _flapping(anomaly),
            recurrence(anomaly.started_ms, earlier_ms),
        ]
        return "; ".join(part for part in parts if part)
    side = "above" if anomaly.went == "up" else "below"
    parts = [
        f"{side} the usual {_band(anomaly)} since {clock(anomaly.started_ms)}{_shape(anomaly, jumped)}",
        usual,
        watched,
        _flapping(anomaly),
        f"{how_rare(anomaly.rarity)} on this series",
        recurrence(anomaly.started_ms, earlier_ms),
        _spoke(anomaly, dict(counts)),
        silenced_by(anomaly),
    ]
    return "; ".join(part for part in parts if part)


def _shape(anomaly: Anomaly, jumped: bool | None) -> str:  # noqa: FBT001 - one of three, named by its caller
    """How it left the band, and once it is over how long that took."""
    slowly = "climbing slowly" if anomaly.went == "up" else "falling slowly"
    onset = {None: "", True: ", in one jump", False: f", {slowly}"}[jumped]
    return onset + _length(anomaly)


def _length(anomaly: Anomaly) -> str:
    if anomaly.ended_ms is None:
        return ""
    lasted_ms = anomaly.ended_ms - anomaly.started_ms
    spike = "a spike of" if lasted_ms <= SPIKE_MS and anomaly.went != "absent" and not anomaly.flaps else "for"
    return f", {spike} {span(lasted_ms)}"


def _flapping(anomaly: Anomaly) -> str:
    return f"flapping, came out again {anomaly.flaps} times" if anomaly.flaps else ""


def recurrence(started_ms: int, earlier_ms: Sequence[int]) -> str:
    """How often this has happened in the last 30 days, and how often at this time of day; "" for the first time.

    >>> recurrence(10 * DAY_MS, [9 * DAY_MS, 8 * DAY_MS + 600_000])
    'third time in 30 days, always at this hour'
    >>> recurrence(10 * DAY_MS, [])
    ''
    """
    recent = [t for t in earlier_ms if 0 < started_ms - t <= REMEMBERED_DAYS * DAY_MS]
    if not recent:
        return ""
    same = sum(1 for t in recent if _apart_ms(t, started_ms) <= SAME_HOUR_MS)
    at_least = "at least the " if len(recent) >= REMEMBERED else ""
    times = f"{at_least}{_ordinal(len(recent) + 1)} time in {REMEMBERED_DAYS} days"
    if same == len(recent):
        return f"{times}, always at this hour"
    return f"{times}, the {_ordinal(same + 1)} at this hour" if same else times


def silenced_by(anomaly: Anomaly) -> str:
    """What setting would have kept an anomaly silent, to copy: named, and in the unit, as the configuration has it."""
    deviation = abs(anomaly.value - anomaly.expected)
    silencers = [f"min_absolute above {deviation:.3g}"] if math.isfinite(deviation) else []
    budget = REMEMBERED_DAYS * 10.0**-anomaly.rarity
    if budget > SILLIEST_BUDGET:
        name = "page_budget_per_30d" if anomaly.pages else "evidence_budget_per_30d"
        silencers.append(f"{name} below {plain(float(f'{budget:.2g}'))}")
    return f"silent with {' or '.join(silencers)}" if silencers else ""


def at_this_hour(unit: str, lower: float, upper: float) -> str:
    """What the season's band says of this time; "" when it has no opinion.

    >>> at_this_hour("s", 0.3, 0.31), at_this_hour("s", 0.1, 0.7), at_this_hour("s", -0.3, 0.7)
    ('at this hour usually 305 ms', 'at this hour usually 178 ms to 622 ms', 'at this hour usually 570 ms at most')
    """
    low, high = reached(lower, upper)
    if not math.isfinite(low):
        return ""
    if low < 0.0 < high:
        return f"at this hour usually {quantity(high, unit)} at most"
    if high - low <= NARROW * abs(low + high):
        return f"at this hour usually {quantity(0.5 * (low + high), unit)}"
    return f"at this hour usually {quantity(low, unit)} to {quantity(high, unit)}"


def _band(anomaly: Anomaly) -> str:
    low, high = quantity(anomaly.lower, anomaly.unit), quantity(anomaly.upper, anomaly.unit)
    # A band is symmetric; the numbers people watch are not: nobody has seen an error ratio of -1 %.
    if anomaly.went == "up" and anomaly.lower < 0.0 <= anomaly.expected:
        return f"{high} at most"
    return low if low == high else f"{low} to {high}"


def _spoke(anomaly: Anomaly, counts: dict[str, float]) -> str:
    names = [name for name, surprise in anomaly.detectors if surprise >= SPOKE][:3]
    names = [f"{name} (counts {100.0 * counts[name]:.0f}%)" if name in counts else name for name in names]
    return f"detectors that spoke: {', '.join(names)}" if names else ""


def _apart_ms(one_ms: int, other_ms: int) -> int:
    apart = abs(one_ms - other_ms) % DAY_MS
    return min(apart, DAY_MS - apart)


def _ordinal(number: int) -> str:
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"
