from __future__ import annotations

import asyncio
import logging

from aiops.errors import Retry
from aiops.runners import _tending
from aiops.runners._tending import tend


class Garden:
    """Gives or raises one thing after the other, then stops."""

    def __init__(self, stop, *outcomes):
        self.stop, self.outcomes, self.times = stop, list(outcomes), []

    async def tend(self, now_ms):
        self.times.append(now_ms)
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            self.stop.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def tended(monkeypatch, *outcomes):
    monkeypatch.setattr(_tending, "FAILED_S", 0.001)
    failed, ticks = [], iter(range(100))

    async def story():
        stop = asyncio.Event()
        garden = Garden(stop, *outcomes)
        async with asyncio.timeout(20):
            await tend("am", garden, stop, clock=lambda: next(ticks), done=lambda *what: failed.append(what))
        return garden.times

    return asyncio.run(story()), failed


def test_it_goes_on_until_the_stop_and_does_not_wait_then(monkeypatch):
    assert tended(monkeypatch, 0.001, 0.001, 3600.0) == ([0, 1, 2], [("am", "")] * 3)


def test_a_failure_is_counted_each_time_and_said_once(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    times, failed = tended(monkeypatch, Retry("away"), Retry("away"), ValueError("s3cr3t"), 0.001, 0.001)
    assert (len(times), [fault for _, fault in failed]) == (5, ["away", "away", "ValueError", "", ""])
    assert [r.getMessage() for r in caplog.records] == [
        "tending failed name=am reason=away",
        "tending failed name=am reason=ValueError",
        "well again name=am",
    ]


def test_a_stop_is_not_slept_through():
    async def story():
        stop = asyncio.Event()

        class Slow:
            async def tend(self, now_ms):
                assert now_ms == 0
                asyncio.get_running_loop().call_soon(stop.set)
                return 3600.0

        done = []
        async with asyncio.timeout(20):
            await tend("am", Slow(), stop, clock=lambda: 0, done=lambda *what: done.append(what))
        assert done == [("am", "")]

    asyncio.run(story())
