"""How a pulled source is doing, for our own metrics and the health page."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

REASONS = (
    "samples",  # read
    "nan",  # samples that are NaN
    "infinite",  # samples that are +/-Inf, taken as missing
    "off_grid",  # samples at times nobody asked for, dropped
    "duplicate_sample",  # samples replaced by a later one of the same time
    "duplicate_series",  # series that came twice in one answer, joined
    "histogram",  # series with native histograms, which are not read
    "series_over_limit",  # series of one answer beyond max_series, dropped
    "table_full",  # series beyond the limit of watched series, dropped
    "no_service",  # series that name no service (or no callee), dropped
    "other_recipe",  # series that another recipe already gives, dropped
    "same_key",  # series of one answer that mean the same watched series, joined
    "label_too_long",  # series with an absurdly long name, dropped
    "warnings",  # remarks of the server
    "infos",  # lesser remarks of the server
    "partial",  # answers the server itself called incomplete
    "query_refused",  # queries the server will not answer
    "query_unavailable",  # queries that failed for now
    "steps_missed",  # steps of one query given up
    "gap_skipped_s",  # seconds of a gap too old to be filled
    "clock_back",  # times the clock was found behind the position
)
"""What is counted. Every reason is there from the start, at zero."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source is doing now.

    Parameters
    ----------
    up : the last round of questions was answered
    last_success_ms : when a round was last answered, None = never
    last_error : why the last round failed, or else what is wrong with a query; "" = nothing; holds no secrets
    counters : by reason, see `REASONS`
    clock_ahead_s : how far our clock is ahead of the server's; 0 when it is not
    """

    up: bool = False
    last_success_ms: int | None = None
    last_error: str = ""
    counters: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    clock_ahead_s: float = 0.0


class Ledger:
    """Counts what was lost or odd, and logs a problem when it begins, changes or ends, not each time it is met."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.is_up = False
        self.last_success_ms: int | None = None
        self._error = ""
        self.clock_ahead_s = 0.0
        self._counts = Counter(dict.fromkeys(REASONS, 0))
        self._problems: dict[str, str] = {}

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the counters; losses met for the first time are logged."""
        for reason, number in counts.items():
            if number and not self._counts[reason] and reason not in ("samples", "nan", "infos"):
                log.warning("samples odd source=%s reason=%s count=%d", self.source, reason, number)
            self._counts[reason] += number

    def answered(self, now_ms: int) -> None:
        """Note that a round of questions was answered."""
        if not self.is_up:
            log.info("server answers source=%s", self.source)
        self.is_up, self.last_success_ms, self._error = True, now_ms, ""

    def failed(self, error: str) -> None:
        """Note that a round of questions failed as a whole."""
        if self.is_up or error != self._error:
            log.warning("server does not answer source=%s error=%s", self.source, error)
        self.is_up, self._error = False, error

    def problem(self, about: str, error: str) -> None:
        """Note trouble with one query; "" = it is over."""
        if error and self._problems.get(about) != error:
            log.warning("query failed source=%s signal=%s error=%s", self.source, about, error)
        if error:
            self._problems[about] = error
        elif self._problems.pop(about, ""):
            log.info("query works again source=%s signal=%s", self.source, about)

    def health(self) -> SourceHealth:
        """What is known now."""
        return SourceHealth(
            up=self.is_up,
            last_success_ms=self.last_success_ms,
            last_error=self._error or next(iter(self._problems.values()), ""),
            counters=dict(self._counts),
            clock_ahead_s=self.clock_ahead_s,
        )
