"""What was pulled, parted into rows for the partitions.

Rule 1. A column is named once to a partition, in the message in which it first comes, and known by its place from then
on. A place never means two series in one stream.
Rule 2. Numbers of the source's table are used again: a series that has stopped leaves its place behind, and comes back
under another one. Once most places of a stream are dead, a new stream is begun, in which all that is there is named.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiops.detection.presence import Presence
from aiops.kafka.frames import Rows, rows_of
from aiops.kafka.topics import partition_of
from aiops.model import Block, SeriesKey, Signal
from aiops.pipeline import ASK_EVERY_MS
from aiops.sources import Batch, Source

MOST_VALUES = 500_000  # of a message, 4 MB before compression: chosen, a quarter of what the topic takes
FEW_PLACES = 1_000  # chosen: fewer dead ones than that cost nothing

_Place = tuple[int, int]
"""A partition, and which of its columns."""


@dataclass(slots=True)
class _Roster:
    """Which of a source's numbers belong to a partition, by place, and how many of them have been named there."""

    numbers: list[int]
    said: int = 0


class SplitRows:
    """Blocks of one source as rows for each partition, in one life of a reader.

    Parameters
    ----------
    evict_after_s : a series without a value for so long, while others had some, is let go
    """

    def __init__(self, source: Source, partitions: int, evict_after_s: float) -> None:
        self._source, self._partitions, self._evict_after_s = source, partitions, evict_after_s
        self._presence = Presence()
        self._asked_ms = -(2**62)
        self._places: dict[int, _Place] = {}
        self._width = self._reuses = 0
        self._begin()

    def split(self, batch: Batch) -> list[tuple[int, Rows]]:
        """The messages of a batch, each with its partition."""
        self._let_go(batch.let_go)
        self._learn()
        messages = [message for block in batch.blocks for message in self._rows(batch, block)]
        for block in batch.blocks:
            self._see(block)
        if not batch.history and batch.position - self._asked_ms >= ASK_EVERY_MS:
            self._asked_ms = batch.position
            self._source.table.ask(np.flatnonzero(self._presence.silent(self._evict_after_s)).tolist())
        return messages

    def _begin(self) -> None:
        """Begin a stream in which nothing has been named, with places for all that are there."""
        self._stream = secrets.randbits(63)
        self._rosters = [_Roster([]) for _ in range(self._partitions)]
        for number in list(self._places):
            self._place(number)

    def _place(self, number: int) -> None:
        partition = partition_of(self._source.table.key(number).service, self._partitions)
        roster = self._rosters[partition]
        self._places[number] = (partition, len(roster.numbers))
        roster.numbers.append(number)

    def _let_go(self, numbers: Sequence[int]) -> None:
        table = self._source.table
        if not (gone := [number for number in numbers if table.is_unnamed(number)]):
            return
        table.free(gone)
        for number in gone:
            self._places.pop(number, None)
        if sum(len(roster.numbers) for roster in self._rosters) - len(self._places) > len(self._places) + FEW_PLACES:
            self._begin()

    def _learn(self) -> None:
        """Give a place to each number that has a series and none yet."""
        table = self._source.table
        if (self._width, self._reuses) == (table.width, table.reuses):
            return
        self._width, self._reuses = table.width, table.reuses
        self._presence.grow(table.width)
        new = [number for number in table.numbers() if number not in self._places]
        self._presence.adopt(new)
        for number in new:
            self._place(number)

    def _see(self, block: Block) -> None:
        width = len(self._presence.seen_ms)
        if not len(block.times) or not width:
            return
        values = block.values
        if not np.array_equal(block.ids, np.arange(width)):
            values = np.full((len(block.times), width), np.nan)
            values[:, block.ids] = block.values
        self._presence.update(block.times, values)

    def _rows(self, batch: Batch, block: Block) -> list[tuple[int, Rows]]:
        nowhere = (-1, -1)  # a number without a series, whose column is empty
        places = np.array([self._places.get(i, nowhere) for i in block.ids.tolist()], np.int32).reshape(-1, 2)
        messages = []
        for partition in np.unique(places[places[:, 0] >= 0, 0]).tolist():
            here = places[:, 0] == partition
            rows = max(1, MOST_VALUES // int(np.count_nonzero(here)))
            for start in range(0, len(block.times), rows):
                cut = slice(start, start + rows)
                part = Block(block.times[cut], places[here, 1], block.values[cut][:, here])
                messages.append((partition, self._message(batch, partition, part)))
        return messages

    def _message(self, batch: Batch, partition: int, part: Block) -> Rows:
        roster, table, source = self._rosters[partition], self._source.table, self._source
        new = roster.numbers[roster.said :]
        names: tuple[tuple[SeriesKey, Signal], ...] = tuple((table.key(i), table.signal(i)) for i in new)
        first, roster.said = roster.said, len(roster.numbers)
        position = int(part.times[-1]) if len(part.times) else batch.position
        return Rows(self._stream, source.name, source.step_s, position, batch.history, first, names, rows_of(part))
