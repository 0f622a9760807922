"""How a worker is, as it says every ten seconds; and what all of them together are blind to.

Pure: statuses and the time in, faults out. Whoever decides hears the statuses with the anomalies and tells people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiops.words import span

SAY_S = 10.0  # chosen: a few messages a minute of each worker
LISTEN_S = 30.0  # chosen: three statuses; a worker may in addition be silent for its session timeout
BEHIND_S = 60.0  # chosen: two usual steps of data
SILENT_STEPS = 2.2  # as the embedded service: two batches are missing, and a little of the third
BLIND_SHARE = 0.5  # chosen: of the series of a source
TOLD_ON_MS = 600_000  # chosen: a lease, the start of a worker and a few attempts of it to read, on a slow machine


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source in one partition.

    Parameters
    ----------
    step_s : distance of its rows
    heard_ms : when rows with a value came last, unix ms; 0 = never
    series : watched ones
    refused : how often a series found no room, and by which limit
    blind : nearly all its series are missing at once
    lost : services that had samples and have none, while others have: name and since when, unix ms
    """

    name: str
    step_s: float
    heard_ms: int
    series: int
    refused: int
    limited_by: str
    blind: bool
    lost: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """A partition of the samples: how old the message is that was taken in last, and its sources."""

    number: int
    behind_s: float
    sources: tuple[SourceStatus, ...]


@dataclass(frozen=True, slots=True)
class PullStatus:
    """What whoever reads a source knows of it.

    Parameters
    ----------
    ill : what is wrong, in the form of `Status.ill`; empty = it gives rows
    """

    name: str
    ill: tuple[tuple[str, str, int, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How one worker is.

    Parameters
    ----------
    detects : partitions of the samples that it has
    delivers : partitions of the notifications that it has
    ill : parts of it that are not well: name, why, since when (unix ms), whether it is only a warning
    pulls : sources that it reads and knows something of
    """

    worker: str
    roles: tuple[str, ...]
    detects: tuple[PartitionStatus, ...] = ()
    delivers: tuple[int, ...] = ()
    ill: tuple[tuple[str, str, int, bool], ...] = ()
    pulls: tuple[PullStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps a cluster from watching, since a time in unix ms."""

    reason: str
    since_ms: int
    is_warning: bool = False


class Cluster:
    """What all workers have said of themselves.

    Parameters
    ----------
    partitions : of samples and notifications
    session_timeout_s : a worker is taken for dead after so long
    began_ms : listening began; what was never heard of is missing since then
    """

    def __init__(self, partitions: int, session_timeout_s: float, began_ms: int) -> None:
        self._partitions, self._began_ms = partitions, began_ms
        self._patience_ms = round((LISTEN_S + session_timeout_s) * 1000)
        self._workers: dict[str, tuple[int, Status]] = {}
        self._detected: dict[int, tuple[int, PartitionStatus]] = {}
        self._delivered: dict[int, int] = {}
        self._said_ms: dict[str, int] = {}
        self._pulled: dict[str, tuple[int, PullStatus]] = {}

    def is_judged(self, now_ms: int) -> bool:
        """Whether everybody has had the time to speak."""
        return now_ms - self._began_ms >= self._patience_ms

    def heard(self, status: Status, at_ms: int) -> None:
        """A worker has said how it is."""
        self._workers[status.worker] = (at_ms, status)
        for role in status.roles:
            self._said_ms[role] = max(self._said_ms.get(role, 0), at_ms)
        for one in status.detects:
            self._detected[one.number] = (at_ms, one)
        self._delivered |= dict.fromkeys(status.delivers, at_ms)
        self._pulled |= {one.name: (at_ms, one) for one in status.pulls}

    def faults(self, now_ms: int, known: Collection[str] = ()) -> dict[str, Fault]:
        """What is wrong now, by the part that it is wrong with.

        Parameters
        ----------
        known : services of open incidents: that they give no samples needs no telling
        """
        since_ms = now_ms - self._patience_ms
        last_ms = max((at_ms for at_ms, _ in self._workers.values()), default=self._began_ms)
        if last_ms < since_ms:
            silence = f"nothing has come from Kafka for {span(now_ms - last_ms)}: nothing is detected"
            return {"kafka": Fault(silence, last_ms)}
        self._workers = {name: one for name, one in self._workers.items() if one[0] >= since_ms}
        return {
            **self._unserved(now_ms, since_ms),
            **self._sources(now_ms, since_ms, known),
            **self._pulls(now_ms),
            **self._ill(),
        }

    # -- inside

    def _unserved(self, now_ms: int, since_ms: int) -> dict[str, Fault]:
        """What no worker does."""
        faults: dict[str, Fault] = {}
        if (taken_ms := self._said_ms.get("gateway", self._began_ms)) < since_ms:
            reason = f"no worker with this role for {span(now_ms - taken_ms)}: nothing is taken in"
            faults["role gateway"] = Fault(reason, taken_ms)
        detected = {number: at_ms for number, (at_ms, _) in self._detected.items()}
        for role, what, ends in (("detect", detected, "not watched"), ("deliver", self._delivered, "not told")):
            gone = {n: at for n in range(self._partitions) if (at := what.get(n, self._began_ms)) < since_ms}
            if gone:
                first_ms = min(gone.values())
                reason = f"no worker has {_numbers(gone)} for {span(now_ms - first_ms)}: what is in there is {ends}"
                faults[f"role {role}"] = Fault(reason, first_ms)
        behind = {n: one.behind_s for n, (at, one) in self._detected.items() if at >= since_ms}
        slow = {n: behind_s for n, behind_s in behind.items() if behind_s >= BEHIND_S}
        if slow and "role gateway" not in faults:
            # Without a gateway nobody says how late it is, and all seem to be behind.
            most_ms = round(max(slow.values()) * 1000)
            faults["lag"] = Fault(f"{_numbers(slow)} {_is(slow)} up to {span(most_ms)} behind", now_ms - most_ms)
        return faults

    def _sources(self, now_ms: int, since_ms: int, known: Collection[str]) -> dict[str, Fault]:
        """Sources that nobody hears, or not all of."""
        here: dict[str, list[SourceStatus]] = {}
        for at_ms, one in self._detected.values():
            if at_ms >= since_ms:
                for source in one.sources:
                    here.setdefault(source.name, []).append(source)
        faults: dict[str, Fault] = {}
        for name, parts in here.items():
            heard_ms, series = max(part.heard_ms for part in parts), sum(part.series for part in parts)
            blind = sum(part.series for part in parts if part.blind)
            if heard_ms and is_silent(heard_ms, max(part.step_s for part in parts), now_ms):
                faults[name] = Fault(f"no samples for {span(now_ms - heard_ms)}", heard_ms)
                continue
            if series and blind > BLIND_SHARE * series:
                faults[name] = Fault("nearly all series are missing at once", now_ms)
            if full := [part for part in parts if part.refused]:
                reason = f"{full[0].limited_by} is reached in {len(full)} of {self._partitions} partitions"
                reason += f": new series were refused {sum(part.refused for part in full):,} times"
                faults[f"series of {name}"] = Fault(reason, now_ms, is_warning=True)
            for service, lost_ms in (lost for part in parts for lost in part.lost):
                if service not in known:
                    reason = f"none, although {name} gives others"
                    faults[f"samples of {service}"] = Fault(reason, lost_ms, is_warning=True)
        return faults

    def _pulls(self, now_ms: int) -> dict[str, Fault]:
        """The last word on each source that is pulled.

        It outlives the worker who said it: whoever takes the source over must first find out how it is.
        """
        words = [one for at_ms, one in self._pulled.values() if now_ms - at_ms < TOLD_ON_MS]
        return {part: Fault(reason, at_ms, is_warning) for one in words for part, reason, at_ms, is_warning in one.ill}

    def _ill(self) -> dict[str, Fault]:
        """What workers say is wrong with them."""
        return {
            f"{part} of {worker}": Fault(reason, since_ms, is_warning)
            for worker, (_, status) in sorted(self._workers.items())
            for part, reason, since_ms, is_warning in status.ill
        }


def is_silent(heard_ms: int, step_s: float, now_ms: int) -> bool:
    """Whether a source gives nothing any more of which rows of `step_s` came last at `heard_ms`."""
    return now_ms - heard_ms > 1000 * (SILENT_STEPS * step_s + 2 * SAY_S)


def _numbers(numbers: Mapping[int, object]) -> str:
    named = ", ".join(map(str, sorted(numbers)[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"partition {named}" if len(numbers) == 1 else f"{len(numbers)} partitions ({named})"


def _is(numbers: Mapping[int, object]) -> str:
    return "is" if len(numbers) == 1 else "are"
