"""The running service as its HTTP side sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from aiops._accepted import Accepted
from aiops._scores import ScoreRow
from aiops.answers import StoreAnswers
from aiops.errors import InputError, Overloaded, StoreError
from aiops.model import Event
from aiops.pipeline import Pipeline, Shard
from aiops.sources._pushed_samples import Taken
from aiops.sources._write_headers import Written
from aiops.sources.otlp import OtlpReader
from aiops.sources.push import PushSource
from aiops.stores import Store
from aiops.telemetry import Health, Telemetry
from aiops.verdicts import VerdictBook
from rca import ServiceGraph


@dataclass(frozen=True, slots=True)
class ServiceBackend(StoreAnswers):
    """Answers from the store what was saved, from memory what is being watched.

    Parameters
    ----------
    push, otlp : where pushed samples go, and what reads those of OTLP; None = not accepted
    wake : tells the runner that the inbox has something
    book : where verdicts are given
    """

    store: Store
    pipeline: Pipeline
    telemetry: Telemetry
    health: Health
    wake: Callable[[], None]
    push: PushSource | None = None
    otlp: OtlpReader | None = None
    book: VerdictBook = field(kw_only=True)

    async def write(self, body: bytes, headers: Mapping[str, str]) -> Written:
        """Take a remote_write request."""
        return self.direct_write(body, headers)

    def direct_write(self, body: bytes | memoryview, headers: Mapping[str, str]) -> Written:
        """Take a remote_write request."""
        if self.push is None:
            raise InputError("remote_write is switched off here: set push.enabled to true")
        return self.push.write(body, headers)

    async def otlp_metrics(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        """Take an OTLP request; samples dropped for their time or a limit are told to the sender too."""
        if self.push is None or self.otlp is None:
            raise InputError("OTLP is switched off here: set push.enabled to true")
        before = self.push.health
        taken = self.otlp.take(body, headers, before.closed_ms)
        dropped = {why: n - before.dropped[why] for why, n in self.push.health.dropped.items()}
        texts = [taken.message] if taken.message else []
        if any(dropped.values()):
            texts.append("samples dropped: " + ", ".join(f"{why} {n}" for why, n in dropped.items() if n))
        return replace(taken, message="; ".join(texts))

    async def events(self, events: list[Event]) -> None:
        """Put events into the inbox; they are durable when this returns."""
        try:
            await asyncio.to_thread(self.store.put_events, events)
        except (StoreError, Overloaded) as error:
            self.telemetry.store_error()
            self.health.bad("store", str(error))
            raise
        self.health.good("store")
        self.wake()

    def accepted(self) -> list[Accepted]:
        """Levels that were taken for normal after a change, latest first."""
        return self.pipeline.accepted()

    async def undo(self, accepted_id: str) -> bool:
        """Hand an undo over to the cycle; False if there is nothing of that id to undo."""
        if not any(one.id == accepted_id and one.undone_ms is None for one in self.pipeline.accepted()):
            return False
        self.pipeline.ask_undo(accepted_id)
        self.wake()
        return True

    def graph(self) -> ServiceGraph:
        """The service graph in use."""
        return self.pipeline.triage.graph


def score_rows(shards: Iterable[Shard]) -> Iterator[ScoreRow]:
    """The latest verdict on every watched series, 1.0 = the border at which an anomaly begins."""
    for shard in shards:
        # Detection goes on in another thread: rows of two lengths may meet here, and only columns of both are shown.
        scores, view = shard.detection.border_scores().tolist(), shard.detection.view
        if view is not None:
            bands = zip(scores, view.expected.tolist(), view.lower.tolist(), view.upper.tolist(), strict=False)
            for i, (score, expected, lower, upper) in enumerate(bands):
                if shard.source.table.named(i):
                    yield ScoreRow(shard.source.table.key(i), score, expected, lower, upper)
