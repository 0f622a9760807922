"""Columns of pulled rows, as their readers number them, in the numbers of one partition's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aiops.kafka.frames import Rows
from aiops.model import I32, Block, Bools, SeriesKey, Signal
from aiops.series import SeriesTable
from aiops.wire import decode, encode

MAX_STREAMS = 8
"""Streams of a source that are remembered, the latest: chosen; each is one time that a worker has read it."""

UNKNOWN, REFUSED = -1, -2
_Kept = tuple[int, str, list[int], list[tuple[int, SeriesKey, Signal]]]


@dataclass(slots=True)
class _Roster:
    """Columns of one stream; `gone` names those that were let go of because their series had stopped."""

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
            roster.columns[number] = _added(table, key, signal)
        if roster.gone:
            for number in block.ids[np.isfinite(block.values).any(axis=0)].tolist():
                if (named := roster.gone.pop(number, None)) is not None:
                    roster.columns[number] = _added(table, *named)
        known = [roster.columns[i] if i < len(roster.columns) else UNKNOWN for i in block.ids.tolist()]
        columns = np.array(known, np.int32)
        self.unnamed += int(np.count_nonzero(np.isfinite(block.values[:, columns == UNKNOWN])))
        return columns

    def snapshot(self, stays: Mapping[str, Bools], tables: Mapping[str, SeriesTable]) -> bytes:
        """All of it as it will be without the series that do not stay.

        Parameters
        ----------
        stays : (n,) by source, of the columns of its table; those that came after them stay
        """
        kept: list[_Kept] = []
        for stream, roster in self._streams.items():
            stay, table = stays[roster.source], tables[roster.source]
            stay = np.concatenate([stay, np.ones(len(table) - len(stay), np.bool_)])
            number, gone, columns = np.cumsum(stay) - 1, dict(roster.gone), list(roster.columns)
            for i, column in enumerate(columns):
                if column >= 0 and stay[column]:
                    columns[i] = int(number[column])
                elif column >= 0:
                    columns[i], gone[i] = UNKNOWN, (table.key(column), table.signal(column))
            kept.append((stream, roster.source, columns, [(i, *named) for i, named in gone.items()]))
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
