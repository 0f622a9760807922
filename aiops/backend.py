"""The running service as its HTTP side sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from aiops._scores import ScoreRow, Scores
from aiops.answers import StoreAnswers
from aiops.detection.accepted import Accepted
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


def score_rows(shards: Iterable[Shard], most: int) -> Scores:
    """The latest verdict on watched series, 1.0 = the border at which an anomaly begins.

    At most so many of each shard, the highest, and of equal ones those that were seen first: to write out a row for
    each of a million series takes seconds in which nothing else is answered, and nobody reads it.
    """
    rows, left_out = list[ScoreRow](), 0
    for shard in shards:
        # Detection goes on in another thread: rows of two lengths may meet here, and only columns of both are shown.
        scores, view, table = shard.detection.border_scores(), shard.detection.view, shard.source.table
        if view is None:
            continue
        scores = scores[: len(view.expected)]
        there = np.flatnonzero(np.isfinite(scores))
        shown = there[np.argsort(-scores[there], kind="stable")[:most]]
        left_out += len(there) - len(shown)
        parts = (scores, view.expected, view.lower, view.upper)
        told = zip(shown.tolist(), *(part[shown].tolist() for part in parts), strict=True)
        rows += [ScoreRow(table.key(i), *numbers) for i, *numbers in told if table.named(i)]
    return Scores(rows, left_out)
