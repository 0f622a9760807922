"""Waiting for tasks, and ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal


async def until(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the stop, or for a task that fails; one that merely ends (a finite source) ends alone."""
    stopping = asyncio.create_task(stop.wait())
    left: set[asyncio.Task[None] | asyncio.Task[Literal[True]]] = {stopping, *tasks}
    try:
        while not stopping.done():
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        stopping.cancel()


async def cancelled(tasks: Sequence[asyncio.Task[None]], *, again_s: float) -> None:
    """Cancel tasks and wait for their end; those that live on are cancelled again after `again_s`."""
    left = {task for task in tasks if not task.done()}
    while left:
        # More than once: a wait that ends just as it is cancelled may lose the cancel (`wait_for` before 3.12).
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
