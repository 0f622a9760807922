"""A rest between cycles, so that a storm of alerts leaves room for the answers to their senders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REST = 9.0
"""A cycle rests for so many times as long as it took, so cycles take a tenth of the time: chosen."""
LONGEST_S = 0.25
"""Nobody notices a quarter of a second beside the group wait: chosen."""


class Rest:
    """Lets what has come to the inbox wait until the last cycle has rested.

    What a cycle costs grows with its incidents, not with what is new. Without a rest there is one for each request of a
    storm, and requests wait for its commit and for the processor.

    Parameters
    ----------
    rouse : starts a cycle; called from the running loop
    """

    def __init__(self, rouse: Callable[[], None]) -> None:
        self._rouse = rouse
        self._rested_at = 0.0
        self._asked: asyncio.TimerHandle | None = None

    def worked(self, took_s: float) -> None:
        """A cycle has ended that took so long."""
        self._rested_at = asyncio.get_running_loop().time() + min(LONGEST_S, REST * took_s)

    def ask(self) -> None:
        """Ask for a cycle; however often it is asked for, there is one when the rest is over."""
        if self._asked is None:
            loop = asyncio.get_running_loop()
            self._asked = loop.call_at(max(loop.time(), self._rested_at), self._go)

    def _go(self) -> None:
        self._asked = None
        self._rouse()
