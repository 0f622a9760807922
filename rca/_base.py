"""The contract of root-cause ranking: what a ranker may see, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rca.graph import ServiceGraph

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

CauseKind = Literal[
    "deploy",
    "config",
    "scaling",
    "node loss",
    "traffic surge",
    "exhaustion",
    "dependency outage",
    "network",
    "certificate or quota",
    "unknown",
]
"""A cause is a change of state. Where none is known, the origin is named and the cause is `unknown`."""


SymptomKind = Literal["latency", "errors", "traffic", "saturation", "availability"]
"""In which way the symptom hurts."""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """One series of a case: a metric of a service, or of the call `service -> peer` when `peer` is set."""

    service: str
    metric: str
    peer: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A deploy, config change, restart or scaling, as somebody reported it."""

    time_ms: int
    service: str
    kind: str
    description: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Symptom:
    """Where the incident was noticed: usually the entry service and the metric that paged."""

    service: str
    metric: str
    kind: SymptomKind


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a ranker may see, never the answer.

    Parameters
    ----------
    name : for reports only; a ranker must not read meaning into it
    times : (t,) unix ms; need not be evenly spaced or sorted
    abnormal : (t,) True for rows of the incident, False for rows to compare with
    columns : n descriptions of the columns of `values`
    values : (t, n) NaN = missing
    trigger_ms : when the symptom was noticed
    step_s : usual distance of rows, seconds
    placement : where services run (service -> machine or zone), as far as known
    """

    name: str
    times: I64
    abnormal: Bools
    columns: tuple[Column, ...]
    values: F64
    graph: ServiceGraph
    symptom: Symptom
    trigger_ms: int
    step_s: float
    changes: tuple[Change, ...] = ()
    placement: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of what speaks for a suspect (`strength` > 0) or against it (< 0), bounded to [-1, 1]."""

    kind: str
    strength: float
    text: str
    numbers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A service that may be the cause.

    `weight` orders suspects, finite, highest first. `confidence` is the calibrated chance that this is the true
    origin, in [0, 1]. `reason` is a sentence about the service that does not name it. `path` leads from the suspect to
    the symptom, both included.
    """

    service: str
    metric: str | None
    weight: float
    confidence: float
    kind: CauseKind = "unknown"
    reason: str = ""
    path: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """All suspects, best first. `unknown` says that none stands out; at most three are worth showing to a person."""

    suspects: tuple[Suspect, ...] = ()
    unknown: bool = True
    notes: tuple[str, ...] = field(default=())


class Ranker(Protocol):
    """Ranks the services of a case. Deterministic: ties are broken by service name."""

    def rank(self, case: Case) -> Ranking:
        """Rank every service of the graph and of the columns by how likely it is the cause.

        An empty or meaningless case gives a ranking with `unknown` set, never an error.
        """
        ...
