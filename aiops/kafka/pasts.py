"""The rows that an incident is ranked by, asked of whoever detects.

Rule 1. A question stays in the log of its partition, so that whoever takes the partition up answers it, however late.
Rule 2. A partition that has let a question pass is asked like the others but not waited for until it speaks again: one
that nobody has must not hold up the ranking of every incident.
Rule 3. When it speaks again, what was ranked without it is to be ranked again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from aiops.cases import Past, near_services
from aiops.errors import Overloaded
from aiops.history import History
from aiops.kafka.frames import Answer, Question, pack
from aiops.model import Block, Incident
from aiops.series import SeriesTable
from rca import ServiceGraph

log = logging.getLogger(__name__)

AGAIN_S = 0.5  # chosen: wait before a question is put again that no broker took
MOST_PARTIAL = 1_000  # incidents that are remembered as ranked in part, the latest: chosen, far more than are open


@dataclass(slots=True)
class _Asked:
    """A question under way; `missing` are the partitions that are waited for."""

    missing: set[int]
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, answer: Answer) -> None:
        """Take in an answer; the same one may come twice."""
        self.answers[answer.partition, answer.number] = answer
        if sum(partition == answer.partition for partition, _ in self.answers) >= answer.count:
            self.missing.discard(answer.partition)
        self.look()

    def look(self) -> None:
        """Say so when nobody is waited for."""
        if not self.missing:
            self.whole.set()


class RemotePasts:
    """Asks all partitions for the recent rows that an incident's ranking needs.

    Parameters
    ----------
    partitions : how many there are
    ask : puts a message into a partition of the samples; `Overloaded` means again
    timeout_s : partitions that have not answered by then are left out, and the log says so
    """

    def __init__(self, partitions: int, ask: Callable[[int, bytes], Awaitable[None]], timeout_s: float) -> None:
        self._partitions, self._ask, self._timeout_s = range(partitions), ask, timeout_s
        self._asked: dict[str, _Asked] = {}
        self._silent = set[int]()
        self._partial: dict[str, set[int]] = {}
        self._back = set[str]()

    def take(self, answer: Answer) -> None:
        """Take in an answer; of one that nobody waits for any more only counts that it came."""
        self._silent.discard(answer.partition)
        self._back |= {incident for incident, without in self._partial.items() if answer.partition in without}
        if (asked := self._asked.get(answer.question)) is not None:
            asked.take(answer)

    def to_rank_again(self) -> Collection[str]:
        """Ids of incidents that were ranked without a partition that speaks again; each is given once."""
        back, self._back = self._back, set[str]()
        for incident in back:
            self._partial.pop(incident, None)
        return sorted(back)

    async def of(self, incident: Incident, graph: ServiceGraph, now_ms: int) -> Sequence[Past]:
        """Recent rows of all services near an incident, by the step of their sources."""
        near = near_services(incident, graph)
        far = tuple(sorted(set(graph.services()) - near)) if near else ()
        question = Question(uuid.uuid4().hex, far, now_ms)
        asked = self._asked[question.id] = _Asked(set(self._partitions) - self._silent)
        asked.look()
        data = pack(question)
        putting = [asyncio.create_task(self._put(number, data)) for number in self._partitions]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await asked.whole.wait()
        finally:
            del self._asked[question.id]
            for task in putting:
                task.cancel()
            for fault in await asyncio.gather(*putting, return_exceptions=True):
                if isinstance(fault, Exception):
                    log.error("question not put incident=%s", incident.id, exc_info=fault)
        self._note(incident.id, asked)
        return [_past(answer) for _, answer in sorted(asked.answers.items())]

    async def _put(self, number: int, data: bytes) -> None:
        while True:
            try:
                await self._ask(number, data)
            except Overloaded as error:
                log.warning("question waits partition=%d reason=%s", number, error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _note(self, incident: str, asked: _Asked) -> None:
        """Remember what was ranked without whom."""
        self._silent |= asked.missing
        self._partial.pop(incident, None)
        self._back.discard(incident)
        without = set(self._partitions) - {partition for partition, _ in asked.answers} | asked.missing
        if without:
            log.warning("ranked without some partitions incident=%s partitions=%s", incident, sorted(without))
            self._partial[incident] = without
            if len(self._partial) > MOST_PARTIAL:
                del self._partial[next(iter(self._partial))]


def _past(answer: Answer) -> Past:
    table, history = SeriesTable(len(answer.columns)), History(max(1, len(answer.times)))
    for key, signal in answer.columns:
        table.add(key, signal)
    history.append(Block(answer.times, np.arange(len(answer.columns), dtype=np.int32), answer.values))
    return Past(table, history, answer.step_s or 30.0)
