"""The life of one deviation of one series: from the first odd row to the end of it.

Rule 1. The expected band is frozen at the first odd row. Baselines adapt, people do not: a latency that stays ten times
as high is the same anomaly an hour later, whatever the baseline has learnt meanwhile.
Rule 2. Nothing is said before `needed` of the last `of` rows lie outside that band; two rows do when the first one was
ten times rarer than the budget.
Rule 3. It ends at the first row back inside, once it has stayed inside for the hold time. A series that goes missing
keeps its anomaly for `gone_s`, because a crashed service does not recover by vanishing.
Rule 4. What came out again `flap_limit` times within `flap_window_s` is flapping: it stays one anomaly, and ends after
the longer hold. Times back in band shorter than `SHORTEST_BACK_S` are part of the deviation.
Rule 5. After `accept_s` the new level is the normal one; after a change it may be so earlier, see `changes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aiops.detection.changes import Shift
from aiops.model import Anomaly, SeriesKey, Signal
from aiops.series import anomaly_id

SHORTEST_BACK_S = 60.0  # chosen: who looks sees no return in less

Went = Literal["up", "down", "absent"]
News = Literal["opened", "updated", "closed", "dropped", ""]


@dataclass(frozen=True, slots=True)
class TrackRules:
    """When a deviation is worth telling. Times in seconds.

    `needed` of `of` is the industry's usual 3 of 5; `hold_s` 5 minutes; the rest is chosen. `flap_limit` and
    `flap_window_s` are those of incidents.
    """

    needed: int = 3
    of: int = 5
    hold_s: float = 300.0
    gone_s: float = 900.0
    accept_s: float = 6 * 3600.0
    retell_s: float = 600.0
    flap_limit: int = 3
    flap_window_s: float = 3600.0
    flap_hold_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Row:
    """One scored sample."""

    time_ms: int
    value: float
    surprise: float
    rarity: float


@dataclass(slots=True)
class Track:
    """A deviation being watched; mutable, one per column that is odd just now."""

    column: int
    went: Went
    started_ms: int
    expected: float
    lower: float
    upper: float
    quick: bool
    detectors: tuple[tuple[str, float], ...] = ()
    counts: tuple[tuple[str, float], ...] = ()
    value: float = float("nan")
    surprise: float = 0.0
    rarity: float = 0.0
    told: bool = False
    told_ms: int = 0
    told_value: float = float("nan")
    rows: int = 0
    out_bits: int = 0
    back_ms: int = 0
    seen_ms: int = 0
    earlier_ms: tuple[int, ...] = ()
    shift: Shift | None = None
    jumped: bool | None = None
    flaps: int = 0
    flapping: bool = False

    def step(self, row: Row, signal: Signal, rules: TrackRules) -> News:
        """Take one row and tell what is new about the deviation."""
        self.rows += 1
        out = self._is_out(row.value, signal)
        self.out_bits = (self.out_bits << 1 | out) & ((1 << rules.of) - 1)
        self._remember(row, out=out)
        self.flapping = self.flapping or self.flaps >= rules.flap_limit
        if self.shift is not None:
            self.shift.learn(row.time_ms, row.value)
        if not self.told:
            return self._confirm(row, rules)
        if self._is_over(row, rules):
            return "closed"
        return self._retell(row, rules) if out else ""

    def ended_ms(self) -> int:
        """The first moment that was normal again."""
        return self.back_ms or self.seen_ms

    def follows(self, earlier_ms: tuple[int, ...], rules: TrackRules) -> None:
        """Take in when this series was told of before: those just before are one flapping with it."""
        self.earlier_ms = earlier_ms
        self.flaps += sum(self.started_ms - t <= rules.flap_window_s * 1000 for t in earlier_ms)
        self.flapping = self.flaps >= rules.flap_limit

    def _is_out(self, value: float, signal: Signal) -> bool:
        if self.went == "absent":
            return bool(np.isnan(value))
        beyond = value > self.upper if self.went == "up" else value < self.lower
        return bool(beyond) and matters(value, self.expected, signal)

    def _remember(self, row: Row, *, out: bool) -> None:
        if not np.isnan(row.value):
            self.seen_ms = row.time_ms
        if out:
            self.flaps += bool(self.told and self.back_ms and row.time_ms - self.back_ms >= SHORTEST_BACK_S * 1000)
            self.back_ms = 0
            if not abs(row.value - self.expected) <= abs(self.value - self.expected):
                self.value = row.value
            self.surprise = float(np.fmax(self.surprise, row.surprise))
            self.rarity = float(np.fmax(self.rarity, row.rarity))
        elif not self.back_ms and (self.went == "absent" or not np.isnan(row.value)):
            self.back_ms = row.time_ms

    def _confirm(self, row: Row, rules: TrackRules) -> News:
        needed = min(2, rules.needed) if self.quick else rules.needed
        if self.out_bits.bit_count() >= needed:
            self.told, self.told_ms, self.told_value = True, row.time_ms, self.value
            return "opened"
        return "dropped" if self.rows >= rules.of else ""

    def _is_over(self, row: Row, rules: TrackRules) -> bool:
        quiet_s = (row.time_ms - self.back_ms) / 1000 if self.back_ms else 0.0
        missing_s = 0.0 if self.went == "absent" else (row.time_ms - self.seen_ms) / 1000
        lasted_s = (row.time_ms - self.started_ms) / 1000
        hold_s = max(rules.hold_s, rules.flap_hold_s) if self.flapping else rules.hold_s
        return quiet_s >= hold_s or missing_s >= rules.gone_s or lasted_s >= rules.accept_s

    def _retell(self, row: Row, rules: TrackRules) -> News:
        grown = abs(self.value - self.expected) > 1.5 * abs(self.told_value - self.expected)
        if not grown and (row.time_ms - self.told_ms) / 1000 < rules.retell_s:
            return ""
        self.told_ms, self.told_value = row.time_ms, self.value
        return "updated"


def matters(value: float, expected: float, signal: Signal) -> bool:
    """Tell whether a deviation is large enough, absolutely and relatively, for anybody to care."""
    deviation = abs(value - expected)
    return bool(deviation >= signal.min_absolute and deviation >= signal.min_relative * abs(expected))


def way(value: float, lower: float, upper: float, signal: Signal) -> Went | None:
    """The bad way in which a value leaves the band, or None."""
    if value > upper and signal.direction != "down":
        return "up"
    if value < lower and signal.direction != "up":
        return "down"
    return None


def pages(track: Track, signal: Signal) -> bool:
    """Tell whether somebody is to be woken by a deviation."""
    # Only lost traffic is felt when a series vanishes; other series of the service vanish with it.
    return signal.pages and (track.went != "absent" or signal.kind == "traffic")


def anomaly_of(track: Track, key: SeriesKey, signal: Signal, now_ms: int, ended_ms: int | None) -> Anomaly:
    """What is known of a deviation at that time, without words."""
    return Anomaly(
        id=anomaly_id(key, track.started_ms),
        series=key,
        kind=signal.kind,
        unit=signal.unit,
        went=track.went,
        pages=pages(track, signal),
        started_ms=track.started_ms,
        updated_ms=now_ms,
        ended_ms=ended_ms,
        value=track.value,
        expected=track.expected,
        lower=track.lower,
        upper=track.upper,
        surprise=track.surprise,
        rarity=track.rarity,
        detectors=track.detectors,
        flaps=track.flaps if track.flapping else 0,
    )
