"""What time it is for the data."""

from __future__ import annotations

from collections.abc import Callable

PATIENCE_S = 120.0  # chosen: data that has not come this long after a restart may not come for hours


class EventClock:
    """Event time: the position of the data, plus the time that has passed since it was reached.

    Live data keeps it a little behind the wall clock; a sender that fills in last week moves it through last week.
    Before any data it is the wall clock; afterwards it never goes back. After a restart it goes on from where it was,
    so that what was missed passes at its own time; without any data it turns to the wall clock after two minutes.

    Parameters
    ----------
    wall : unix seconds
    steady : seconds that nobody sets, so that a jump of the wall clock is none of the data's; default: `wall`

    >>> seconds = 1000.0
    >>> clock = EventClock(lambda: seconds)
    >>> clock.now_ms()
    1000000
    >>> clock.reached(400_000)
    >>> seconds = 1003.0
    >>> clock.now_ms()
    403000
    """

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float] | None = None) -> None:
        self._wall, self._steady = wall, steady or wall
        self._anchor_ms: int | None = None
        self._anchored_s = 0.0
        self._is_waiting = False

    @property
    def is_set(self) -> bool:
        """Whether it follows data, of this life or of the one before."""
        return self._anchor_ms is not None

    def wall_ms(self) -> int:
        """Unix milliseconds of the wall clock."""
        return int(self._wall() * 1000)

    def steady_s(self) -> float:
        """Seconds of the clock that nobody sets."""
        return self._steady()

    def now_ms(self) -> int:
        """Unix milliseconds of the data's clock."""
        if self._anchor_ms is None:
            return self.wall_ms()
        passed_s = max(0.0, self._steady() - self._anchored_s)
        now_ms = self._anchor_ms + int(passed_s * 1000)
        return max(now_ms, self.wall_ms()) if self._is_waiting and passed_s > PATIENCE_S else now_ms

    def resume(self, saved_ms: int) -> None:
        """Go on from the time of an earlier life, until data says how far it is."""
        # A time that lies ahead was read from a wall clock that was wrong.
        self._anchor(min(saved_ms, self.wall_ms()))
        self._is_waiting = True

    def reached(self, position_ms: int) -> None:
        """The data has come as far as this."""
        now_ms = self.now_ms()
        if self._anchor_ms is None or position_ms > now_ms:
            self._anchor(position_ms)
        elif self._is_waiting:
            self._anchor(now_ms)

    def _anchor(self, time_ms: int) -> None:
        self._anchor_ms, self._anchored_s, self._is_waiting = time_ms, self._steady(), False
