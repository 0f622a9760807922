"""The cases that incidents are ranked by: put together here or of what is elsewhere, and kept for later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from aiops.cases import Past, build_case
from aiops.model import Incident
from aiops.pipeline import Pipeline
from aiops.runners._saved import Saver
from rca import Case, ServiceGraph

PastsOf = Callable[[Incident, ServiceGraph, int], Awaitable[Sequence[Past]]]
"""Gives the recent rows that an incident is ranked by, at a time (unix ms)."""


class Cases:
    """Makes cases.

    Parameters
    ----------
    pasts : gives the recent rows where detectors are elsewhere; None = they are those of the pipeline
    """

    def __init__(self, pipeline: Pipeline, saver: Saver, pasts: PastsOf | None) -> None:
        self._pipeline, self._saver, self._pasts = pipeline, saver, pasts

    def of(self, incident: Incident, now_ms: int) -> Coroutine[None, None, Case]:
        """The case of an incident as of now, also when it is awaited later; what is elsewhere is waited for."""
        if self._pasts is None:
            return self._kept(self._pipeline.case(incident, now_ms))
        return self._fetched(incident, self._pasts, now_ms)

    async def _fetched(self, incident: Incident, pasts: PastsOf, now_ms: int) -> Case:
        graph = self._pipeline.triage.graph
        found = await pasts(incident, graph, now_ms)
        return await self._kept(await asyncio.to_thread(build_case, incident, found, graph, now_ms))

    async def _kept(self, case: Case) -> Case:
        await asyncio.to_thread(self._saver.keep_case, case)
        return case
