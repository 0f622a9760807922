"""Looking after what has to be done between notifications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from aiops.errors import AiopsError
from aiops.notifiers import Tended
from aiops.telemetry import Health, Telemetry

log = logging.getLogger(__name__)

FAILED_S = 30.0
"""Wait after a failure; chosen, half the interval at which alerts are sent again."""


async def tend(
    name: str, one: Tended, stop: asyncio.Event, *, clock: Callable[[], int], done: Callable[[str, str], None]
) -> None:
    """Tend one thing until the stop. One that fails is said once, and goes on being tended.

    Parameters
    ----------
    clock : the wall clock, unix ms
    done : told `name` and why it failed, "" if it did not, each time
    """
    said = ""
    while not stop.is_set():
        try:
            wait_s, fault = await one.tend(clock()), ""
        except AiopsError as error:
            wait_s, fault = FAILED_S, str(error)
        except Exception as error:
            # What it says may hold secrets, so only its kind is told.
            wait_s, fault = FAILED_S, type(error).__name__
            log.debug("tending failed name=%s", name, exc_info=True)
        done(name, fault)
        if fault != said:
            log.warning("tending failed name=%s reason=%s", name, fault) if fault else log.info(
                "well again name=%s", name
            )
        said = fault
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await stop.wait()


def upkeep_told(telemetry: Telemetry, health: Health) -> Callable[[str, str], None]:
    """What tells metrics and health how the tending of each thing goes; for `done` of `tend`."""

    def told(name: str, fault: str) -> None:
        if fault:
            telemetry.untended(name)
            health.warn(f"upkeep of {name}", fault)
        else:
            health.good(f"upkeep of {name}")

    return told
