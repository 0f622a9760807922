"""`aiops demo`: the service with a simulated shop that sends to it over HTTP, as any sender would."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from aiops import config
from aiops._kernel_cache import are_compiled
from aiops.app import Service, build
from aiops.commands._json import print_json
from aiops.commands._progress import progress_bar
from aiops.commands.service import loop_factory, until_signal
from aiops.demo.feed import Progress, feed
from aiops.demo.settings import demo_settings_text
from aiops.demo.story import Story, story
from aiops.errors import AiopsError
from aiops.links import http_url
from aiops.model import Incident
from aiops.telemetry import setup_logging
from aiops.web.render import incident_dict

SETTLED_S = 3.0  # after the first incident its ranking may still change; chosen
PATIENCE_S = 180.0  # of `--once`, chosen: several times what it takes
HISTORY_DAYS = 14  # what the shop has learnt from before, chosen: two of each weekday


def run_demo(
    *,
    once: bool,
    output: Literal["text", "json"],
    port: int,
    seed: int,
    patience_s: float = PATIENCE_S,
    history_days: int = HISTORY_DAYS,
) -> None:
    """Run the demo until Ctrl-C, or until the first incident is printed.

    Raises
    ------
    AiopsError : with `once`, no incident came in `patience_s`
    """
    setup_logging("warning")
    demo = _Demo(once=once, quiet=output == "json", patience_s=patience_s, history_days=history_days)
    with TemporaryDirectory(prefix="aiops-demo-") as folder, asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(demo.run(Path(folder), port, seed))


@dataclass(slots=True)
class _Demo:
    once: bool
    quiet: bool
    patience_s: float
    history_days: int
    url: str = ""
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    first: str = ""

    async def run(self, folder: Path, port: int, seed: int) -> None:
        text = demo_settings_text(port, folder / "demo.sqlite")
        settings = config.parse(text, where="demo", environment={})
        if self.quiet:
            settings = msgspec.structs.replace(settings, notifiers=[])
        if not (self.quiet or are_compiled()):
            sys.stderr.write("first start: compiling kernels, up to a minute\n")
        service = build(settings, base=folder, opened=self._saved)
        stop = asyncio.Event()
        running = asyncio.create_task(until_signal(service, self._listens, stop))
        plot = story(int(time.time() * 1000), seed=seed, history_days=self.history_days)
        sending = asyncio.create_task(self._send(plot, seed))
        watching = asyncio.create_task(self._watch(service, stop))
        try:
            done, _ = await asyncio.wait([running, sending, watching], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await running
        finally:
            stop.set()
            for task in (sending, watching):
                task.cancel()
            await asyncio.gather(running, sending, watching, return_exceptions=True)

    async def _send(self, plot: Story, seed: int) -> None:
        await self.listening.wait()
        with progress_bar(f"{self.history_days} days of metrics, pushed", shown=not self.quiet) as step:

            def moved(progress: Progress) -> None:
                step(progress.done, progress.total)

            await feed(self.url, plot, seed=seed, on_progress=moved)

    async def _watch(self, service: Service, stop: asyncio.Event) -> None:
        if not self.once:
            await stop.wait()
            return
        try:
            await asyncio.wait_for(self.opened.wait(), self.patience_s)
        except TimeoutError:
            raise AiopsError(f"no incident within {self.patience_s:.0f} s") from None
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SETTLED_S)
        incident = service.store.incident(self.first)
        assert incident is not None
        if self.quiet:
            print_json(incident_dict(incident))
        stop.set()

    def _saved(self, incident: Incident) -> None:
        if not self.first and not incident.muted:
            self.first = incident.id
            self.opened.set()

    def _listens(self, host: str, port: int) -> None:
        self.url = http_url(host, port)
        self.listening.set()
        if not self.quiet:
            sys.stderr.write(f"page: {self.url}   (Ctrl-C ends the demo)\n")
