"""Pulled rows as whoever detects reads them."""

from __future__ import annotations

from aiops.kafka.frames import Rows, block_of, unpack


def rows_in(messages: list[tuple[int, bytes]]) -> tuple[list[tuple[int, str, float]], dict[tuple[int, int], list[str]]]:
    """Time, service and value of each cell, in order; and the names that were said, by partition and stream."""
    names: dict[tuple[int, int], list[str]] = {}
    found = []
    for partition, data in messages:
        rows = unpack(data)
        assert isinstance(rows, Rows)
        known = names.setdefault((partition, rows.stream), [])
        assert rows.first == len(known)
        known.extend(key.service for key, _ in rows.names)
        block = block_of(rows)
        found += [
            (int(t), known[i], float(v))
            for t, row in zip(block.times, block.values, strict=True)
            for i, v in zip(block.ids, row, strict=True)
        ]
    return sorted(found), names
