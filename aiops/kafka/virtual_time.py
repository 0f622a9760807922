"""Time as messages tell it: what reads a log again sees the same times again, and so does the same again."""

from __future__ import annotations

import asyncio


class VirtualTime:
    """A clock that stands still between messages, and the waiting of one reader on it.

    >>> import asyncio
    >>> async def story():
    ...     time, heard = VirtualTime(), []
    ...     async def reader():
    ...         while True:
    ...             heard.append((await time.wait(asyncio.Event(), 2.0), time.now_s()))
    ...     task = asyncio.create_task(reader())
    ...     for now_s in (10.0, 11.0, 13.5):
    ...         await time.move(now_s, task)
    ...     task.cancel()
    ...     return heard
    >>> asyncio.run(story())
    [(False, 13.5)]
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s
        self._moved = asyncio.Event()
        self._idle = asyncio.Event()

    def now_s(self) -> float:
        """Unix seconds."""
        return self._now_s

    def reached(self, to_s: float) -> None:
        """It is so late (never earlier than before); the reader hears of it with the next `move`."""
        self._now_s = max(self._now_s, to_s)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for an event for so long on this clock; tell whether it came."""
        until_s = self._now_s + timeout_s
        while not event.is_set():
            if self._now_s >= until_s:
                return False
            self._moved.clear()
            self._idle.set()
            await self._moved.wait()
        return True

    async def move(self, to_s: float, reader: asyncio.Task[None]) -> None:
        """Let it be so late (never earlier than before) and wait until the reader waits again.

        Raises
        ------
        Exception : what the reader failed with
        """
        self.reached(to_s)
        self._idle.clear()
        self._moved.set()
        idle = asyncio.create_task(self._idle.wait())
        try:
            await asyncio.wait({idle, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()
        if reader.done():
            reader.result()
