"""The contract of a source of samples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiops.model import Anomaly, Block, Event
from aiops.series import SeriesTable


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read gave.

    Parameters
    ----------
    position : unix ms of the last step that is fully read; reading resumes *after* it
    blocks : in time order, ids from the source's table
    events : what the source itself learnt about services
    history : these blocks teach the detectors and raise nothing
    found : anomalies that detectors elsewhere have found up to `position`
    marks : how far other logs are read once this is saved, by name
    let_go : numbers whose series had stopped, and that these blocks and those after them use for no series
    """

    position: int
    blocks: tuple[Block, ...] = ()
    events: tuple[Event, ...] = ()
    history: bool = False
    found: tuple[Anomaly, ...] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    let_go: tuple[int, ...] = ()


class Source(Protocol):
    """Yields batches in time order, for ever or until its data ends.

    `name` is stable over restarts: positions are stored under it.
    """

    name: str
    step_s: float
    table: SeriesTable

    def read(self, after: int | None) -> AsyncIterator[Batch]:
        """Yield what comes after position `after` (None: from the beginning of what is of use).

        Failures that may pass are retried inside and shown in the source's health; only `Refused` and `InputError`
        come out.
        """
        ...
