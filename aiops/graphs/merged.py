"""One graph of all sources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiops.errors import AiopsError
from aiops.graphs._base import GraphSource
from rca import ServiceGraph

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GraphHealth:
    """How one source is.

    Parameters
    ----------
    error : why there is no answer now, "" if there is
    answered_ms : when it last answered, None = never
    failures : how often it has not answered since the start
    edges : number of its edges in use
    """

    name: str
    error: str
    answered_ms: int | None
    failures: int
    edges: int


@dataclass(slots=True)
class _Known:
    """What one source has told: when each edge was last seen, and how it is."""

    source: GraphSource
    seen_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    error: str = ""
    answered_ms: int | None = None
    failures: int = 0


class GraphKeeper:
    """Reads all sources, merges their edges, and forgets those nobody has seen for long.

    A source that fails keeps its last good answer until its edges are too old; what somebody declared (a source whose
    answers are whole) does not grow old.

    Parameters
    ----------
    refresh_s : seconds between refreshes, for whoever calls `refresh`
    max_age_s : edges last seen longer ago are dropped
    timeout_s : limit for one source, seconds; a slow one does not hold up the rest
    """

    def __init__(
        self,
        sources: Sequence[GraphSource],
        *,
        refresh_s: float = 60.0,
        max_age_s: float = 3600.0,
        timeout_s: float = 20.0,
    ) -> None:
        self.refresh_s = refresh_s
        self.graph = ServiceGraph()
        self._max_age_s = max_age_s
        self._timeout_s = timeout_s
        self._known = [_Known(source) for source in sources]

    async def refresh(self, now_ms: int) -> ServiceGraph:
        """Read all sources at once and give the merged graph; never raises for a source that fails."""
        before = [known.error for known in self._known]
        await asyncio.gather(*(self._read(known, now_ms) for known in self._known))
        self._log_changes(before)
        oldest_ms = now_ms - round(self._max_age_s * 1000)
        self.graph = ServiceGraph()
        for known in self._known:
            if not known.source.whole:
                known.seen_ms = {edge: seen_ms for edge, seen_ms in known.seen_ms.items() if seen_ms >= oldest_ms}
            for (caller, callee), seen_ms in known.seen_ms.items():
                self.graph.add(caller, callee, seen_ms)
        return self.graph

    def health(self) -> list[GraphHealth]:
        """How each source is, in the order given."""
        return [GraphHealth(k.source.name, k.error, k.answered_ms, k.failures, len(k.seen_ms)) for k in self._known]

    async def _read(self, known: _Known, now_ms: int) -> None:
        try:
            graph = await asyncio.wait_for(known.source.read(now_ms), self._timeout_s)
        except TimeoutError:
            _failed(known, f"no answer within {self._timeout_s:g} s")
        except AiopsError as error:
            _failed(known, str(error))
        except Exception as error:
            # A plug-in's fault must not take the others' edges.
            said = f"{type(error).__name__}: {error}"
            if said != known.error:
                log.warning("graph source has a fault source=%s", known.source.name, exc_info=True)
            _failed(known, said)
        else:
            _learn(known, graph)
            known.answered_ms = now_ms
            known.error = ""

    def _log_changes(self, before: Sequence[str]) -> None:
        """One line for each reason: a server that is away takes all sources that ask it along."""
        failed, again = dict[str, list[str]](), list[str]()
        for was, known in zip(before, self._known, strict=True):
            if known.error and known.error != was:
                failed.setdefault(known.error, []).append(known.source.name)
            elif was and not known.error:
                again.append(known.source.name)
        for error, names in failed.items():
            log.warning("graph source failed source=%s others=%d error=%s", names[0], len(names) - 1, error)
        if again:
            log.info("graph source answers again source=%s others=%d", again[0], len(again) - 1)


def _learn(known: _Known, graph: ServiceGraph) -> None:
    if known.source.whole:
        known.seen_ms = {}
    # Straight from networkx: sorting the edges of every answer is most of the time of a refresh otherwise.
    for caller, callee, data in graph.digraph.edges(data=True):
        edge = (caller, callee)
        known.seen_ms[edge] = max(data["seen_ms"], known.seen_ms.get(edge, 0))


def _failed(known: _Known, error: str) -> None:
    known.failures += 1
    known.error = error
