"""What the embedded runner keeps over a restart, and how it takes it up again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from aiops.detection.active import Active
from aiops.errors import StoreError
from aiops.model import Event, Notification
from aiops.pipeline import Pipeline, Shard
from aiops.runners._shard_bytes import restore_shard, shard_arrays
from aiops.stores import Cycle, Store
from aiops.wire import decode, encode, encode_case, pack_arrays, unpack_arrays
from rca import Case

log = logging.getLogger(__name__)

PRUNE_EVERY_MS = 3_600_000


class Saver:
    """Turns the state of a pipeline into cycles of a store, and back.

    Parameters
    ----------
    wall_ms : the wall clock, unix ms
    snapshot_s : between two snapshots of the detectors
    keep_days : how long resolved incidents are kept
    saved : told of the positions of each cycle that is saved
    """

    def __init__(
        self,
        store: Store,
        wall_ms: Callable[[], int],
        *,
        snapshot_s: float,
        keep_days: float,
        saved: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self.store = store
        self._saved = saved
        self._wall_ms = wall_ms
        self._snapshot_ms = int(snapshot_s * 1000)
        self._keep_ms = int(keep_days * 86_400_000)
        self._saved_at_ms = wall_ms()
        self._pruned_at_ms = wall_ms()
        self._consumed: list[int] = []
        self._kept: deque[tuple[str, bytes]] = deque()
        self._states: dict[str, bytes] = {}
        self._positions: dict[str, int] = {}

    def restore(self, pipeline: Pipeline) -> int | None:
        """Bring a new pipeline to where the last one was saved.

        A snapshot of another version is left aside with a warning: detectors then start cold, incidents do not.

        Returns
        -------
        Event time of the last cycle, unix ms; None = no data was there yet

        Raises
        ------
        StoreError : the store cannot be read, or incidents in it are damaged
        """
        self._positions = self.store.positions()
        if (triage := self.store.state("triage")) is not None:
            pipeline.triage.restore(triage)
            self._states["triage"] = triage
        for shard in pipeline.shards:
            self._restore_shard(shard)
        if (clock := self.store.state("clock")) is None:
            return None
        self._states["clock"] = clock
        return decode(clock, int)

    def inbox(self) -> list[Event]:
        """Events no cycle has consumed; the next cycle that is prepared consumes them."""
        received = self.store.inbox()
        self._consumed = [r.number for r in received]
        return [r.event for r in received]

    def keep_case(self, case: Case) -> None:
        """Keep what a ranker was shown with the next cycle; any thread may ask."""
        self._kept.append((case.name, encode_case(case)))

    def cycle(
        self,
        pipeline: Pipeline,
        notifications: Sequence[Notification],
        *,
        clock_ms: int | None = None,
        last: bool = False,
    ) -> Cycle | None:
        """All that has changed since the last call; None if nothing has.

        Parameters
        ----------
        clock_ms : event time, None = no data yet
        last : snapshot the detectors in any case
        """
        incidents = pipeline.triage.changed()
        states = {"triage": pipeline.triage.snapshot()}
        states |= {f"tracks:{s.name}": encode(s.detection.active()) for s in pipeline.shards}
        states |= {"clock": encode(clock_ms)} if clock_ms is not None else {}
        states = {name: state for name, state in states.items() if self._states.get(name) != state}
        positions = {s.name: s.told_ms for s in pipeline.shards if self._positions.get(s.name, s.told_ms) < s.told_ms}
        positions |= {s.name: s.told_ms for s in pipeline.shards if s.name not in self._positions and s.told_ms > 0}
        marks = {name: at for s in pipeline.shards for name, at in s.marks.items()}
        positions |= {name: at for name, at in marks.items() if self._positions.get(name, -1) < at}
        snapshots = self._snapshots(pipeline, every=last or self._snapshot_due())
        suppressed = pipeline.triage.suppressed()
        cases = dict(self._kept.popleft() for _ in range(len(self._kept)))
        cycle = Cycle(incidents, notifications, positions, states, self._consumed, snapshots, cases, suppressed)
        self._consumed = []
        self._states |= states
        self._positions |= positions
        return (
            cycle
            if any((incidents, notifications, positions, states, cycle.consumed, snapshots, cycle.cases, suppressed))
            else None
        )

    def commit(self, cycle: Cycle) -> None:
        """Save a cycle, and now and then forget what is old. Raises `StoreError`; the same cycle may be tried again."""
        self.store.commit(cycle)
        self._saved(cycle.positions)
        if self._wall_ms() - self._pruned_at_ms >= PRUNE_EVERY_MS:
            self._pruned_at_ms = self._wall_ms()
            self.store.prune(self._wall_ms() - self._keep_ms)

    # -- inside

    def _snapshot_due(self) -> bool:
        return self._wall_ms() - self._saved_at_ms >= self._snapshot_ms

    def _snapshots(self, pipeline: Pipeline, *, every: bool) -> dict[str, bytes]:
        self._saved_at_ms = self._wall_ms() if every else self._saved_at_ms
        shards = [shard for shard in pipeline.shards if every or shard.detection.is_unsaved]
        packed = {shard.name: _packed(shard) for shard in shards if shard.detection.last_ms > 0}
        return {name: data for name, data in packed.items() if data is not None}

    def _restore_shard(self, shard: Shard) -> None:
        shard.told_ms = self._positions.get(shard.name, shard.told_ms)
        shard.marks |= {name: at for name, at in self._positions.items() if name.startswith(f"{shard.name}/")}
        data = self.store.snapshot(shard.name)
        if data is not None:
            try:
                restore_shard(shard, unpack_arrays(data))
            except (StoreError, ValueError, LookupError, TypeError) as error:
                log.warning("detectors start cold source=%s reason=%s", shard.name, error)
                shard.forget()
        if (tracks := self.store.state(f"tracks:{shard.name}")) is not None:
            try:
                shard.detection.resume(decode(tracks, Active))
            except StoreError as error:
                log.warning("deviations under way are forgotten source=%s reason=%s", shard.name, error)
            else:
                self._states[f"tracks:{shard.name}"] = tracks


def _packed(shard: Shard) -> bytes | None:
    """The detectors' memory; None = no store would give it back. All else is saved nevertheless."""
    try:
        return pack_arrays(shard_arrays(shard))
    except StoreError as error:
        log.warning("detectors not saved, set a lower limits.max_series source=%s reason=%s", shard.name, error)
        return None
