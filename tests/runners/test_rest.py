"""A rest between cycles, on an event loop whose time is moved."""

from __future__ import annotations

import asyncio

from aiops.runners._rest import LONGEST_S, REST, Rest


class MovedLoop(asyncio.SelectorEventLoop):
    """Its time goes on only when a test says so."""

    now_s = 100.0

    def time(self):
        return self.now_s


def roused_after(took_s, *moments_s):
    """Ask twice right after a cycle that took so long; how often one was started by each of these times."""
    loop, roused = MovedLoop(), []

    async def go():
        rest = Rest(lambda: roused.append(loop.now_s))
        rest.worked(took_s)
        rest.ask()
        rest.ask()
        found = []
        for moment_s in moments_s:
            loop.now_s = 100.0 + moment_s
            for _ in range(3):
                await asyncio.sleep(0)
            found.append(len(roused))
        return found

    try:
        return loop.run_until_complete(go())
    finally:
        loop.close()


def test_a_cycle_begins_once_the_last_one_has_rested_however_often_it_is_asked_for():
    assert roused_after(0.01, 0.0, 0.01 * REST - 0.001, 0.01 * REST + 0.001, 5.0) == [0, 0, 1, 1]


def test_what_took_no_time_needs_no_rest():
    assert roused_after(0.0, 0.0) == [1]


def test_nobody_waits_for_longer_than_the_longest_rest():
    assert roused_after(60.0, LONGEST_S - 0.01, LONGEST_S + 0.01) == [0, 1]
