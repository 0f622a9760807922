"""The nouns of the service. Everything else is written in these words.

All of them are frozen values. Times are int64 unix milliseconds, UTC, in names ending in `_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rca import Ranking

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
Bools = NDArray[np.bool_]

Kind = Literal["latency", "errors", "traffic", "saturation"]
"""The four golden signals; every watched signal is one of them."""

Direction = Literal["up", "down", "both"]
"""Which way is bad."""

EventKind = Literal["deploy", "config", "restart", "scale", "alert"]
"""What happened to a service. `alert` is an alert raised by another system."""

Status = Literal["forming", "open", "flapping", "resolved"]
"""Life of an incident. Only `open` and `flapping` have been told to anybody."""

IncidentKind = Literal["observed", "predicted", "self"]
"""It hurts now; it is going to; or it is about this service itself."""

Answer = Literal["real", "noise", "expected"]
"""What a person says of an incident: worth a page, not worth one, or known to come at this time of day."""

Labels = tuple[tuple[str, str], ...]
"""Label pairs, sorted by name."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a watched signal means, whoever computes it.

    `min_absolute` (in `unit`) and `min_relative` (share of the expected value) are deviations below which nobody cares;
    both must be exceeded. `min_traffic` is requests per second below which a ratio or a quantile is no evidence.
    """

    name: str
    kind: Kind
    unit: str = ""
    direction: Direction = "up"
    pages: bool = False
    min_absolute: float = 0.0
    min_relative: float = 0.0
    min_traffic: float = 0.0
    description: str = ""


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One watched series: a signal of a service, or of the call `service -> peer`, told apart by further labels."""

    signal: str
    service: str
    peer: str = ""
    labels: Labels = ()

    def __str__(self) -> str:
        """`service[>peer]|signal{labels}`, stable: ids are hashes of it."""
        place = f"{self.service}>{self.peer}" if self.peer else self.service
        inner = ",".join(f"{k}={v}" for k, v in self.labels)
        return f"{place}|{self.signal}" + (f"{{{inner}}}" if inner else "")


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of many series at common times.

    Parameters
    ----------
    times : (t,) int64 unix ms, strictly increasing
    ids : (n,) int32, unique, from one `SeriesTable`
    values : (t, n) float64, one column per id, in the unit of its signal; NaN = missing
    """

    times: I64
    ids: I32
    values: F64

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(self.ids)):
            raise ValueError(f"values must be {(len(self.times), len(self.ids))}, got {self.values.shape}")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a service, told by somebody else. `id` is the same for every repetition of it."""

    id: str
    time_ms: int
    service: str
    kind: EventKind
    description: str = ""
    url: str = ""
    source: str = ""
    status: Literal["", "firing", "resolved"] = ""
    labels: Labels = ()
    runbook: str = ""
    ended_ms: int | None = None
    """When an alert was over, as far as is known; `time_ms` of a member of an incident stays the time it began."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stretch of a series outside its expected band.

    `value`, `expected`, `lower`, `upper` belong to its peak. `surprise` is the peak of -log10 P(a value this odd |
    normal), `rarity` the peak of -log10 of the pages per day that this level would open on this series.
    `ended_ms` is None while it lasts. `id` is a hash of series and start, so a replay gives the same one. `flaps`: how
    often the series came out of its band again within an hour, once that is often enough to be called flapping, else 0.
    """

    id: str
    series: SeriesKey
    kind: Kind
    unit: str
    went: Literal["up", "down", "absent"]
    pages: bool
    started_ms: int
    updated_ms: int
    ended_ms: int | None
    value: float
    expected: float
    lower: float
    upper: float
    surprise: float
    rarity: float
    detectors: tuple[tuple[str, float], ...] = ()
    explanation: str = ""
    flaps: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies, alerts and events that belong together, with a life. Named by its earliest member."""

    id: str
    status: Status
    title: str
    severity: Literal["critical", "warning"]
    started_ms: int
    updated_ms: int
    opened_ms: int | None = None
    resolved_ms: int | None = None
    services: tuple[str, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    alerts: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    ranking: Ranking = field(default_factory=Ranking)
    flaps: int = 0
    muted: str = ""
    """Why nobody is told of it (history, maintenance); empty = told."""
    kind: IncidentKind = "observed"


@dataclass(frozen=True, slots=True)
class Notification:
    """What one receiver is to be told. A receiver that sees `key` twice has been told once."""

    key: str
    incident: Incident
    receiver: str
    reason: Literal["opened", "cause changed", "flapping", "resolved"]
    created_ms: int


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Something that nobody was told of by itself, and why.

    `subject` says what it was, `incident_id` the incident in which it is listed, if it is; `count` how often this came.
    """

    item_id: str
    subject: str
    service: str
    reason: str
    first_ms: int
    last_ms: int
    incident_id: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Spoke:
    """Something that made an incident, as a verdict judges it.

    `subject` names a series with the way it went, or an alert of a service (see `policy.subject_of`). `size` is the
    peak deviation in `unit`, or, for alerts and absent series, how long it lasted in seconds.
    """

    subject: str
    measure: Literal["deviation", "duration"]
    unit: str
    size: float
    started_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody said of an incident, and what spoke in it. It changes the policy until `until_ms`, unless undone.

    `via` is the way it came (api, page, cli, slack), `note` what the person wrote with it.
    """

    id: str
    incident_id: str
    answer: Answer
    who: str
    via: str
    at_ms: int
    until_ms: int
    spoke: tuple[Spoke, ...] = ()
    note: str = ""
    undone_ms: int | None = None
    undone_by: str = ""
