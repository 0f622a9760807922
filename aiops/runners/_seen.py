"""Which services a source has had samples of, and since when it has none."""

from __future__ import annotations

import numpy as np

from aiops.model import I64, Block
from aiops.series import SeriesTable

LOST_STEPS = 2.2  # chosen: two rows are missing, and a little of the third
LOST_S = 10.0  # chosen: at steps of a few seconds single samples come late
LOST_GAPS = 1.5  # chosen: of the longest gap it had before; a service without requests may give nothing for a while
FADES = 0.5 ** (1 / 2880)  # per batch, chosen: a gap counts half after a day of usual steps
FORGOTTEN_MS = 3_600_000  # chosen: whoever takes a service away knows it an hour later


class ServicesSeen:
    """Latest samples of the services of one source.

    Attributes
    ----------
    last_ms : time of the latest sample of any service
    samples : how many there were
    """

    def __init__(self, table: SeriesTable, step_s: float) -> None:
        self._table, self._step_ms = table, step_s * 1000
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._service_of: I64 = np.zeros(0, np.int64)
        self._seen_ms: I64 = np.zeros(0, np.int64)
        self._gap_ms = np.zeros(0)
        self.last_ms = self.samples = 0
        self._reuses = 0

    def note(self, block: Block) -> bool:
        """Take rows; False if there is no value in them."""
        self._grow()
        rows = np.isfinite(block.values)
        columns = rows.any(axis=0)
        if not columns.any():
            return False
        self.last_ms = max(self.last_ms, int(block.times[-1]))
        self.samples += int(np.count_nonzero(rows))
        services, before_ms = self._service_of[block.ids[columns]], self._seen_ms.copy()
        last = block.times[len(block.times) - 1 - rows[::-1].argmax(axis=0)]
        np.maximum.at(self._seen_ms, services, last[columns])
        first_ms = np.full(len(self._names), 2**62)
        np.minimum.at(first_ms, services, block.times[rows.argmax(axis=0)][columns])
        gap_ms = np.where((before_ms > 0) & (first_ms < 2**62), first_ms - before_ms, 0)
        self._gap_ms = np.maximum(self._gap_ms * FADES, np.minimum(gap_ms, FORGOTTEN_MS))
        return True

    def lost(self) -> dict[str, int]:
        """Services that had samples within the hour and have none now, with the time of the last; unix ms."""
        age_ms = self.last_ms - self._seen_ms
        patience_ms = np.maximum(max(LOST_STEPS * self._step_ms, LOST_S * 1000), LOST_GAPS * self._gap_ms)
        gone = (self._seen_ms > 0) & (age_ms > patience_ms) & (age_ms < FORGOTTEN_MS)
        return {self._names[i]: int(self._seen_ms[i]) for i in np.flatnonzero(gone).tolist() if self._names[i]}

    def _grow(self) -> None:
        if self._reuses != (reuses := self._table.reuses):
            self._reuses = reuses
            self._begin_anew()
        first, n = len(self._service_of), self._table.width
        if first == n:
            return
        services = [self._table.key(number).service for number in range(first, n)]
        for name in services:
            if name not in self._numbers:
                self._numbers[name] = len(self._names)
                self._names.append(name)
        new = np.array([self._numbers[name] for name in services], np.int64)
        self._service_of = np.concatenate([self._service_of, new])
        room = np.zeros(len(self._names) - len(self._seen_ms), np.int64)
        self._seen_ms = np.concatenate([self._seen_ms, room])
        self._gap_ms = np.concatenate([self._gap_ms, np.zeros(len(room))])

    def _begin_anew(self) -> None:
        """Forget which series is whose, and services that have been gone for long."""
        known = self._seen_ms > self.last_ms - FORGOTTEN_MS
        self._names = [name for name, is_known in zip(self._names, known.tolist(), strict=True) if is_known]
        self._numbers = {name: i for i, name in enumerate(self._names)}
        self._seen_ms, self._gap_ms = self._seen_ms[known], self._gap_ms[known]
        self._service_of = np.zeros(0, np.int64)
