"""Columns of pulled rows, as their readers number them, in the numbers of one partition's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops.kafka.frames import Rows
from aiops.model import I32, I64, Block, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import decode, encode

MAX_STREAMS = 8
"""Streams of a source that are remembered, the latest: chosen; each is one time that a worker has read it."""

UNKNOWN, REFUSED = -1, -2
_Kept = tuple[int, str, list[int], list[tuple[int, SeriesKey, Signal]]]


@dataclass(slots=True)
class _Roster:
    """Columns of one stream; `gone` names those that were let go of because their series had stopped.

    Whoever reads the source does not know of that and names no series twice.
    """

    source: str
    columns: list[int] = field(default_factory=list)
    gone: dict[int, tuple[SeriesKey, Signal]] = field(default_factory=dict)


class Rosters:
    """Remembers which series the columns of each stream are.

    `unnamed` counts values of columns that were never named.
    """

    def __init__(self) -> None:
        self.unnamed = 0
        self._streams: dict[int, _Roster] = {}

    def columns(self, rows: Rows, block: Block, table: SeriesTable) -> I32:
        """The numbers in `table` of the columns of `block`, below 0 for those that are not held or were never named."""
        roster = self._streams.setdefault(rows.stream, _Roster(rows.source))
        self._bound(rows.source)
        roster.columns += [UNKNOWN] * (rows.first + len(rows.names) - len(roster.columns))
        for number, (key, signal) in enumerate(rows.names, rows.first):
            # Read again, a name alone brings nothing back.
            if number not in roster.gone:
                roster.columns[number] = _added(table, key, signal)
        if roster.gone:
            for number in block.ids[np.isfinite(block.values).any(axis=0)].tolist():
                if (named := roster.gone.pop(number, None)) is not None:
                    roster.columns[number] = _added(table, *named)
        known = [roster.columns[i] if i < len(roster.columns) else UNKNOWN for i in block.ids.tolist()]
        columns = np.array(known, np.int32)
        self.unnamed += int(np.count_nonzero(np.isfinite(block.values[:, columns == UNKNOWN])))
        return columns

    def let_go(self, source: str, table: SeriesTable) -> None:
        """Let `table` unname what was asked for, before columns are numbered for its next block."""
        if not (unnamed := set(table.unname())):
            return
        for roster in (one for one in self._streams.values() if one.source == source):
            for i, number in enumerate(roster.columns):
                if number in unnamed:
                    roster.columns[i], roster.gone[i] = UNKNOWN, (table.key(number), table.signal(number))

    def snapshot(self, numbers: Mapping[str, I64]) -> bytes:
        """All of it in the numbers of a restart.

        Parameters
        ----------
        numbers : (n,) by source: all numbers now that have a series, in the order in which they are given out anew
        """
        sources = {roster.source for roster in self._streams.values()}
        anew = {source: {old: new for new, old in enumerate(numbers[source].tolist())} for source in sources}
        kept: list[_Kept] = []
        for stream, roster in self._streams.items():
            columns = [anew[roster.source][old] if old >= 0 else old for old in roster.columns]
            kept.append((stream, roster.source, columns, [(i, *named) for i, named in roster.gone.items()]))
        return encode(kept)

    @classmethod
    def restored(cls, data: bytes) -> Rosters:
        """What `snapshot` gave. Raises StoreError when it is damaged."""
        one = cls()
        for stream, source, columns, gone in decode(data, list[_Kept]):
            one._streams[stream] = _Roster(source, columns, {i: (key, signal) for i, key, signal in gone})
        return one

    def _bound(self, source: str) -> None:
        streams = [stream for stream, roster in self._streams.items() if roster.source == source]
        for stream in streams[:-MAX_STREAMS]:
            del self._streams[stream]


def _added(table: SeriesTable, key: SeriesKey, signal: Signal) -> int:
    number = table.add(key, signal)
    return number if number >= 0 else REFUSED
