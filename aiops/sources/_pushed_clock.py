"""The push clock: which ticks may close.

Rule 1: the tick at T takes in samples of (T - step, T] and closes when a sample at or after T + lateness was heard. Our
own clock caps what counts as heard, so that a sender whose clock is ahead cannot close ticks for the others. Rule 2: a
tick also closes when nothing was heard for `idle_s` and our clock is at T + lateness. Only time spent listening counts,
so a slow consumer is not taken for a silent sender. Rule 3: what comes for a closed tick is late.

So a sender that back-fills two weeks is read at its own event time, with no special case. While that is far behind our
clock, ticks are collected for a moment and closed many at once, which costs a hundredth per tick.
"""

from __future__ import annotations

import logging
import math

from aiops.sources._pushed_settings import PushSettings

log = logging.getLogger(__name__)

_FAR_BEHIND_STEPS = 10  # chosen
_SILENCE_MS = 3_600_000  # chosen: a longer gap is jumped over, not filled with empty ticks
_SHORTEST_WAIT_S = 0.01  # chosen: no busy loop, whatever the clocks do


class PushClock:
    """`closed_ms` is the last closed tick, None before the first; ticks lie on whole steps of unix time."""

    def __init__(self, settings: PushSettings) -> None:
        self.closed_ms: int | None = None
        self._settings = settings
        self._newest_ms: int | None = None
        self._quiet_s, self._stirred_s = 0.0, -math.inf
        self._held_since_s: float | None = None

    def start(self, after_ms: int | None) -> None:
        """Go on after a tick that was closed in an earlier life."""
        if after_ms is not None:
            self.closed_ms = self._floor(after_ms)

    def hear(self, newest_ms: int, now_s: float) -> None:
        """Samples came, the newest at this time."""
        self._newest_ms = newest_ms if self._newest_ms is None else max(self._newest_ms, newest_ms)
        self.stir(now_s)

    def stir(self, now_s: float) -> None:
        """Somebody is there, even if nothing was taken."""
        self._quiet_s, self._stirred_s = 0.0, now_s

    def listened(self, began_s: float, now_s: float) -> None:
        """It was listened since then, and whoever came did not end it."""
        self._quiet_s += max(now_s - max(began_s, self._stirred_s), 0.0)

    def may_be_due(self, *, at_once: int, is_crowded: bool) -> bool:
        """Whether `due` is worth asking now and not only when the patience is at its end; see there."""
        if self.closed_ms is None or self._newest_ms is None or is_crowded:
            return True
        ready = (self._floor(self._newest_ms - self._settings.lateness_ms) - self.closed_ms) // self._settings.step_ms
        return ready >= (1 if self._held_since_s is None else at_once)

    def patience_s(self, now_s: float) -> float:
        """How long to listen before asking `due` again."""
        settings = self._settings
        if self._held_since_s is not None:
            wait_s = settings.settle_s - (now_s - self._held_since_s)
            return min(max(wait_s, _SHORTEST_WAIT_S), max(settings.settle_s, _SHORTEST_WAIT_S))
        if self._quiet_s < settings.idle_s or self._newest_ms is None or self.closed_ms is None:
            return max(settings.idle_s - self._quiet_s, _SHORTEST_WAIT_S)
        next_s = (self.closed_ms + settings.step_ms + settings.lateness_ms) / 1000 - now_s
        return min(max(next_s, _SHORTEST_WAIT_S), settings.step_s)

    def due(self, now_s: float, *, oldest_ms: int | None, at_once: int, is_crowded: bool) -> int | None:
        """The last tick that is to close now, None if none is.

        Parameters
        ----------
        now_s : our clock
        oldest_ms : earliest waiting sample
        at_once : how many ticks are worth closing without collecting more
        is_crowded : too many samples wait: close the tick of the earliest ones if no other may close
        """
        if self.closed_ms is None and oldest_ms is not None:
            self.closed_ms = self._floor(oldest_ms - 1)
        if self.closed_ms is None or self._newest_ms is None:
            return None
        limit_ms = self._limit_ms(now_s)
        if is_crowded and limit_ms <= self.closed_ms and oldest_ms is not None:
            limit_ms = self._floor(oldest_ms - 1) + self._settings.step_ms
            log.warning("tick closed early, too many samples wait tick_ms=%d", limit_ms)
        if limit_ms <= self.closed_ms:
            self._held_since_s = None
            return None
        ready = (limit_ms - self.closed_ms) // self._settings.step_ms
        is_far_behind = now_s * 1000 - limit_ms > _FAR_BEHIND_STEPS * self._settings.step_ms
        if is_far_behind and ready < at_once and not is_crowded and self._holds(now_s):
            return None
        self._held_since_s = None
        return limit_ms

    def jump_ms(self, limit_ms: int, oldest_ms: int | None) -> int | None:
        """The tick to go on after when nothing happened for very long up to `limit_ms`, else None."""
        assert self.closed_ms is not None
        until_ms = limit_ms if oldest_ms is None else min(limit_ms, self._floor(oldest_ms - 1))
        return until_ms if until_ms - self.closed_ms > _SILENCE_MS else None

    def _limit_ms(self, now_s: float) -> int:
        assert self._newest_ms is not None
        now_ms = round(now_s * 1000)
        heard_ms = min(self._newest_ms, now_ms)
        if self._quiet_s >= self._settings.idle_s:
            heard_ms = now_ms
        return self._floor(heard_ms - self._settings.lateness_ms)

    def _holds(self, now_s: float) -> bool:
        if self._held_since_s is None:
            self._held_since_s = now_s
        return 0 <= now_s - self._held_since_s < self._settings.settle_s

    def _floor(self, time_ms: int) -> int:
        return time_ms // self._settings.step_ms * self._settings.step_ms
