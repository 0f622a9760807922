"""How long a request waits for others to share a frame with.

Theory. Some senders have a fixed number of requests under way (Prometheus: its shards) and send the next one when one
is answered. Once all of them wait, nothing more can come, and to wait on only makes them slower: samples a second are
at most what is under way divided by the time until the answer (Little's law). How many they are is not known here, but
it shows: as many as came together lately. Of many senders that come when they like more come always.

Rule. Those that came are taken for all once they are as many as at any of the last `REMEMBERED` times. One that comes
before any of these has its answer shows that they were not, and the next time nobody is taken for the last one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

REMEMBERED = 16  # chosen: a sender that is gone makes the others wait for it in vain so often


class Linger:
    """Says when to wait for more requests is in vain.

    Parameters
    ----------
    most_s : no request waits for others for longer
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._came = 0
        self._together = deque([1], REMEMBERED)
        self._are_all = asyncio.Event()
        self._were_all = self._more_came = False

    def came(self) -> None:
        """A request waits from now on."""
        self._came += 1
        self._more_came |= self._were_all
        if self._came >= max(self._together) and not self._more_came:
            self._are_all.set()

    async def over(self) -> None:
        """Return when those that have come are to wait no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._most_s):
                await self._are_all.wait()

    def sent(self) -> None:
        """Those that have come are on their way to Kafka."""
        self._together.append(self._came)
        self._came, self._were_all, self._more_came = 0, self._are_all.is_set(), False
        self._are_all.clear()

    def answered(self) -> None:
        """Those that were sent have their answers; who comes now may be one of them."""
        self._were_all = False
