"""`aiops run`: the service on a configuration file, until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from aiops import __version__, config
from aiops._budgets import preview
from aiops.app import all_packs, build
from aiops.links import http_url
from aiops.telemetry import setup_logging

log = logging.getLogger(__name__)

SWITCH_S = 0.001
"""A request that comes while a cycle works waits so long for the interpreter, each time it needs it. Chosen, a fifth of
Python's default."""


class Runnable(Protocol):
    """What runs until it is told to stop."""

    async def run(self, stop: asyncio.Event, listening: Callable[[str, int], None] | None = None) -> None:
        """Run; `listening` is told host and port once requests are taken."""
        ...


def run_service(path: Path, roles: Sequence[str] = ()) -> None:
    """Run the service of a configuration file.

    Parameters
    ----------
    roles : of a worker on Kafka; none = all of them where `kafka.bootstrap` is set, else the one process

    Raises
    ------
    ConfigError, StoreError : it cannot start, or had to stop; the message says what to do
    """
    settings = config.load(path)
    setup_logging(settings.log_level)
    for line in preview(settings, all_packs(settings)):
        log.info("budget %s", line)
    if settings.listen.is_open:
        log.warning("whoever reaches it may ask host=%s: listen.token_file is not set", settings.listen.host)
    runnable = _built(settings, path.parent, roles)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(until_signal(runnable, _listening))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the fastest event loop there is: uvloop takes a request's bytes in half of asyncio's time."""
    import uvloop

    return uvloop.new_event_loop


def _built(settings: config.Settings, base: Path, roles: Sequence[str]) -> Runnable:
    if not roles and not settings.kafka.bootstrap:
        return build(settings, base=base)
    from aiops.workers import ROLES, Worker

    chosen = [role for role in ROLES if role in roles or not roles or "all" in roles]
    return Worker(settings, chosen, base=base)


async def until_signal(
    service: Runnable, listening: Callable[[str, int], None], stop: asyncio.Event | None = None
) -> None:
    """Run a service until SIGINT, SIGTERM or `stop`."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await service.run(stop, listening)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    log.info("stopped")


def _listening(host: str, port: int) -> None:
    # What is there now stays: without this the collector looks through it again and again, up to a second each time.
    gc.freeze()
    log.info("listening version=%s url=%s", __version__, http_url(host, port))
