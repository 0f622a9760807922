"""The contract of a source of the service graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiops.model import Labels
from aiops.series import service_of
from rca import ServiceGraph


class GraphSource(Protocol):
    """Tells who calls whom.

    `name` says in logs and health which one it is. `whole` is True where an answer is the whole truth, so that an edge
    that is missing from it is gone at once; False where it holds what was seen lately, so that edges are kept until
    they age out.
    """

    @property
    def name(self) -> str:
        """What this source is called in logs and health."""
        ...

    @property
    def whole(self) -> bool:
        """Whether an answer replaces the one before."""
        ...

    async def read(self, now_ms: int) -> ServiceGraph:
        """The graph as this source sees it at `now_ms`; each edge says when it was last seen.

        Raises
        ------
        AiopsError : there is no answer now; the last good one stays in use
        """
        ...


class InstantValue(Protocol):
    """One series of the answer to an instant query."""

    @property
    def labels(self) -> Labels:
        """Its labels."""
        ...

    @property
    def value(self) -> float:
        """Its value; NaN = the server has none."""
        ...


class InstantQueries(Protocol):
    """What is needed of a Prometheus: the answer to one query now."""

    async def instant(self, query: str) -> Sequence[InstantValue]:
        """Evaluate a query at the server's present time.

        Raises
        ------
        SourceError : there is no answer
        """
        ...


def named(value: str) -> str:
    """A service name as it is written everywhere: without a namespace in front.

    >>> named("shop/cart")
    'cart'
    """
    return service_of({"service": value}, ("service",))
