from __future__ import annotations

import numpy as np

from aiops.kafka.streams import MAX_STREAMS, Streams


class Table:
    """Numbers label sets from 100 on; b"unwatched" gets none."""

    def __init__(self):
        self.asked = []
        self.known = {}

    def __call__(self, keys):
        self.asked.append(list(keys))
        return np.array(
            [-1 if k == b"unwatched" else self.known.setdefault(k, 100 + len(self.known)) for k in keys], np.int32
        )


def numbers(streams, stream, *wanted):
    return streams.numbers(stream, np.array(wanted, np.int32)).tolist()


def test_a_name_is_looked_up_once_and_its_number_serves_from_then_on():
    table = Table()
    streams = Streams(table)
    streams.learn(7, 0, (b"cart", b"unwatched", b"db"))
    assert numbers(streams, 7, 2, 0, 1, 0) == [101, 100, -1, 100]
    assert numbers(streams, 7, 0, 1, 2) == [100, -1, 101]
    assert table.asked == [[b"cart", b"unwatched", b"db"]]
    assert streams.unknown == 0


def test_two_gateways_may_number_the_same_series_differently():
    streams = Streams(Table())
    streams.learn(7, 0, (b"cart", b"db"))
    streams.learn(8, 0, (b"db", b"cart"))
    assert numbers(streams, 7, 0, 1) == numbers(streams, 8, 1, 0)


def test_samples_without_a_name_are_counted_and_come_once_it_is_said():
    streams = Streams(Table())
    assert numbers(streams, 7, 0, 1) == [-1, -1]
    streams.learn(7, 1, (b"db",))
    assert numbers(streams, 7, 0, 1, 5) == [-(2**31), 100, -(2**31)]
    assert streams.unknown == 4
    streams.learn(7, 0, (b"cart", b"another"))
    assert numbers(streams, 7, 0, 1) == [101, 100], "what is known stays"


def test_a_number_that_goes_to_another_series_is_asked_for_again():
    table = Table()
    streams = Streams(table)
    streams.learn(7, 0, (b"cart", b"db"))
    assert numbers(streams, 7, 0, 1) == [100, 101]
    table.known = {b"new": 100, b"db": 101}
    streams.forget(np.array([100], np.int32))
    assert numbers(streams, 7, 0, 1) == [102, 101]


def test_names_outlive_a_restart_and_are_looked_up_anew():
    streams, again = Streams(Table()), Streams(Table())
    streams.learn(7, 0, (b"cart", b"", b"db"))
    again.restore(streams.snapshot())
    assert numbers(again, 7, 2, 0) == [101, 100]


def test_the_oldest_stream_is_forgotten_when_there_are_many():
    streams = Streams(Table())
    for stream in range(MAX_STREAMS + 1):
        streams.learn(stream, 0, (b"cart",))
    assert numbers(streams, 0, 0) == [-1]
    assert numbers(streams, 1, 0) == [100]
