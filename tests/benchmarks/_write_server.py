"""The write path as a process of its own: the web server, the pushed source, and ticks that close; no detectors.

`python -m tests.benchmarks._write_server` prints its port, serves until its input ends, then prints what it counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict

from aiops.commands.service import loop_factory
from aiops.model import Signal
from aiops.packs._recipe import Pack, Recipe, Selector
from aiops.series import SeriesTable
from aiops.sources._write_headers import Written
from aiops.sources.push import PushSettings, PushSource, SeriesLimits, compile_kernels
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.web.server import serve
from tests.benchmarks._write_bodies import METRIC, SCRAPE_S

_RATE = Recipe("bench", Signal("rate", "traffic"), "rate", Selector(METRIC), service=("service",), by=("pod",))


def source_of(series: int) -> PushSource:
    """A source that watches the rate of every series that the bodies hold."""
    settings = PushSettings(step_s=SCRAPE_S, series=SeriesLimits(series, series))
    return PushSource([Pack("bench", "bench", (), (_RATE,))], SeriesTable(series), settings)


class _Backend:
    """As `ServiceBackend` with nothing but a source behind it."""

    def __init__(self, source: PushSource) -> None:
        self._source = source

    async def write(self, body: bytes, headers: Mapping[str, str]) -> Written:
        return self.direct_write(body, headers)

    def direct_write(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Written:
        return self._source.write(body, headers)

    def incident(self, _: str) -> None:
        """None is known: the application only keeps the question."""


async def _main(series: int) -> None:
    compile_kernels()
    source = source_of(series)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)), daemon=True).start()
    app = build_app(_Backend(source), WebSettings())  # type: ignore[arg-type] - only the write route is asked
    closing = asyncio.create_task(_closed(source))
    await serve(app, "127.0.0.1", 0, stop=stop, listening=lambda _, port: print(port, flush=True))
    closing.cancel()
    print(json.dumps(asdict(source.health)), flush=True)


async def _closed(source: PushSource) -> None:
    async for _ in source.read(None):
        await asyncio.sleep(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main(int(sys.argv[1])))
