"""Rows that were pulled from a Prometheus: how far the workers are, and what is in Kafka and in the snapshots."""

from __future__ import annotations

from collections import Counter

import numpy as np

from aiops.kafka.frames import ROWS
from aiops.kafka.partition import PulledRows
from aiops.pipeline import Shard
from aiops.runners._shard_bytes import restore_shard
from aiops.series import SeriesTable
from aiops.wire import decode, part_of, unpack_arrays
from tests.kafka._pulled import rows_in


def position_ms(database: str, source: str) -> int:
    """The last row that whoever reads the source has put into Kafka and said so, unix ms; 0 = none."""
    import psycopg

    with psycopg.connect(database) as connection:
        query = "SELECT position FROM positions WHERE source = %s"
        found = connection.execute(query, (f"pull/{source}",)).fetchone()
    return int(found[0]) if found else 0


def set_back(database: str, source: str, by_ms: int) -> None:
    """As if its reader had died before it could say so of its last rows."""
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("UPDATE positions SET position = position - %s WHERE source = %s", (by_ms, f"pull/{source}"))


def times_in(messages: list[tuple[int, bytes]]) -> Counter[tuple[str, int]]:
    """How often each row of each service is in Kafka, by service and time."""
    cells, _ = rows_in([(partition, data) for partition, data in messages if data[1] == ROWS])
    return Counter((service, at_ms) for at_ms, service, value in cells if np.isfinite(value))


def kept(database: str, source: str) -> dict[str, list[int]]:
    """Times at which detection has a value of each service, from the snapshots of all partitions."""
    import psycopg

    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT body FROM snapshots WHERE source LIKE 'samples/%'").fetchall()
    times: dict[str, list[int]] = {}
    for (body,) in found:
        arrays = unpack_arrays(bytes(body))
        for place, (name, step_s, _) in enumerate(decode(arrays["sources"].tobytes(), list[tuple[str, float, int]])):
            if name == source:
                shard = Shard(PulledRows(name, step_s, SeriesTable(1000)))
                restore_shard(shard, part_of(arrays, str(place)))
                at_ms, values = shard.history.window(-(2**62), 2**62)
                # A series that was numbered just now has no column yet.
                for (key, _), column in zip(shard.source.table.items(), values.T, strict=False):
                    times[key.service] = at_ms[np.isfinite(column)].tolist()
    return times
