"""What time it is for the data."""

from __future__ import annotations

from collections.abc import Callable


class EventClock:
    """Event time: the position of the data, plus the wall time that has passed since it was reached.

    Live data keeps it a little behind the wall clock; a sender that fills in last week moves it through last week.
    Before any data it is the wall clock; afterwards it never goes back.

    >>> seconds = 1000.0
    >>> clock = EventClock(lambda: seconds)
    >>> clock.now_ms()
    1000000
    >>> clock.reached(400_000)
    >>> seconds = 1003.0
    >>> clock.now_ms()
    403000
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._anchor_ms: int | None = None
        self._anchored_s = 0.0

    def wall_ms(self) -> int:
        """Unix milliseconds of the wall clock."""
        return int(self._wall() * 1000)

    def now_ms(self) -> int:
        """Unix milliseconds of the data's clock."""
        if self._anchor_ms is None:
            return self.wall_ms()
        # A wall clock that is set back must not take the data's clock with it.
        return self._anchor_ms + max(0, int((self._wall() - self._anchored_s) * 1000))

    def reached(self, position_ms: int) -> None:
        """The data has come as far as this."""
        if self._anchor_ms is None or position_ms > self.now_ms():
            self._anchor_ms, self._anchored_s = position_ms, self._wall()
