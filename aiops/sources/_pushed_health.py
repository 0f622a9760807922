"""What became of pushed samples: counts that start at zero, and a log line a minute for what was dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

log = logging.getLogger(__name__)

Reason = Literal["late", "too_old", "future", "duplicate", "series_limit", "label_limit"]
"""Why a sample of a watched series was dropped.

late          its tick is closed
too_old       older than `max_age_s`
future        further ahead of our clock than `future_s`
duplicate     a sample of this series and time had come before
series_limit  its series is new and `max_raw_series` are there
label_limit   its series is new and a label of its metric has `max_label_values` values
"""

REASONS: tuple[Reason, ...] = get_args(Reason)

SKIPPED = ("exemplars", "histograms", "metadata", "infinite", "repeated_deltas")
"""Parts of bodies that nobody reads; `repeated_deltas` are data points of OTLP that had come before."""

_LOG_EVERY_S = 60.0  # chosen: visible, and no flood where every body has such samples


@dataclass(frozen=True, slots=True)
class PushHealth:
    """Counts since the start, and the state now.

    Parameters
    ----------
    received : samples offered, those refused for overload not among them
    accepted : samples of watched series taken in; duplicates are found later and counted in both
    unwatched : samples of series that no recipe and no edge rule selects
    refused : samples of bodies refused for overload; they come again
    dropped : samples of watched series lost, by reason
    skipped : parts of bodies that nobody reads
    pending : samples that wait for their tick to close
    raw_series, signals : raw series held, watched series made of them
    closed_ms : last closed tick, None before the first
    """

    received: int
    accepted: int
    unwatched: int
    refused: int
    dropped: dict[str, int]
    skipped: dict[str, int]
    pending: int
    raw_series: int
    signals: int
    closed_ms: int | None


class Tally:
    """Counts, and tells the log of drops: at once of the first of a reason, then once a minute of how many more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.received = self.accepted = self.unwatched = self.refused = 0
        self.dropped: dict[str, int] = dict.fromkeys(REASONS, 0)
        self.skipped: dict[str, int] = dict.fromkeys(SKIPPED, 0)
        self._clock = clock
        self._told: dict[str, int] = {}
        self._told_at_s: dict[str, float] = {}

    def drop(self, reason: Reason, count: int) -> None:
        """Count `count` dropped samples."""
        if count:
            self.dropped[reason] += count
            self._tell(reason)

    def skip(self, skipped: dict[str, int]) -> None:
        """Count what a receiver skipped."""
        for what, count in skipped.items():
            if count:
                self.skipped[what] = self.skipped.get(what, 0) + count

    def _tell(self, reason: Reason) -> None:
        now_s = self._clock()
        # A clock that was set back must not silence the log.
        if 0 <= now_s - self._told_at_s.get(reason, -_LOG_EVERY_S) < _LOG_EVERY_S:
            return
        count = self.dropped[reason] - self._told.get(reason, 0)
        log.warning("samples dropped reason=%s count=%d total=%d", reason, count, self.dropped[reason])
        self._told[reason], self._told_at_s[reason] = self.dropped[reason], now_s
