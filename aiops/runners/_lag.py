"""A source that sends, but of long ago."""

from __future__ import annotations

from aiops.words import span

BEHIND_STEPS = 10  # chosen: live data are at most two steps and their lateness behind
WAIT_STEPS = 2.2  # chosen, as for a source that says nothing
CATCHING_UP = 0.5  # of the time that passes: chosen, slower takes longer than what was missed


class Lag:
    """How far the data of one source are behind now, and whether they catch up.

    >>> lag = Lag(15.0)
    >>> lag.note(600_000, 0), lag.said(0)
    (None, '')
    >>> lag.note(600_000, 40_000), lag.said(40_000)
    (None, 'sends data of 10 min ago and does not catch up: what happens is seen that late')
    """

    def __init__(self, step_s: float) -> None:
        self._step_ms = 1000 * step_s
        self._behind_ms = 0
        self._mark: tuple[int, int] | None = None
        """Since when it has not been catching up, and how far behind it was then."""

    @property
    def since_ms(self) -> int | None:
        """Since when it has not been catching up, unix ms; None = it is well."""
        return self._mark[0] if self._mark else None

    def note(self, behind_ms: int, now_ms: int) -> None:
        """Note a batch whose last row is so old."""
        self._behind_ms = behind_ms
        if behind_ms <= BEHIND_STEPS * self._step_ms:
            self._mark = None
        elif self._mark is None or self._mark[1] - behind_ms >= CATCHING_UP * max(1, now_ms - self._mark[0]):
            self._mark = (now_ms, behind_ms)

    def said(self, now_ms: int) -> str:
        """What is wrong, for people; "" = nothing."""
        if self._mark is None or now_ms - self._mark[0] < WAIT_STEPS * self._step_ms:
            return ""
        return f"sends data of {span(self._behind_ms)} ago and does not catch up: what happens is seen that late"
