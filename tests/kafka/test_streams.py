from __future__ import annotations

import numpy as np

from aiops.kafka.streams import MAX_STREAMS, SILENT_MS, Streams

NOW_MS = 1_700_000_000_000


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
    streams.learn(7, 0, (b"cart", b"unwatched", b"db"), NOW_MS)
    assert numbers(streams, 7, 2, 0, 1, 0) == [101, 100, -1, 100]
    assert numbers(streams, 7, 0, 1, 2) == [100, -1, 101]
    assert table.asked == [[b"cart", b"unwatched", b"db"]]
    assert streams.unknown == 0


def test_two_gateways_may_number_the_same_series_differently():
    streams = Streams(Table())
    streams.learn(7, 0, (b"cart", b"db"), NOW_MS)
    streams.learn(8, 0, (b"db", b"cart"), NOW_MS)
    assert numbers(streams, 7, 0, 1) == numbers(streams, 8, 1, 0)


def test_samples_without_a_name_are_counted_and_come_once_it_is_said():
    streams = Streams(Table())
    assert numbers(streams, 7, 0, 1) == [-1, -1]
    streams.learn(7, 1, (b"db",), NOW_MS)
    assert numbers(streams, 7, 0, 1, 5) == [-(2**31), 100, -(2**31)]
    assert streams.unknown == 4
    streams.learn(7, 0, (b"cart", b"another"), NOW_MS)
    assert numbers(streams, 7, 0, 1) == [101, 100], "what is known stays"


def test_a_number_that_goes_to_another_series_is_asked_for_again():
    table = Table()
    streams = Streams(table)
    streams.learn(7, 0, (b"cart", b"db"), NOW_MS)
    assert numbers(streams, 7, 0, 1) == [100, 101]
    table.known = {b"new": 100, b"db": 101}
    streams.forget(np.array([100], np.int32))
    assert numbers(streams, 7, 0, 1) == [102, 101]


def test_names_outlive_a_restart_and_are_looked_up_anew_unless_they_mean_the_same():
    table, before = Table(), Streams(Table())
    before.learn(7, 0, (b"cart", b"", b"db", b"unwatched"), NOW_MS)
    before.learn(8, 0, (b"db", b"new"), NOW_MS)
    assert numbers(before, 7, 0, 2, 3) == [100, 101, -1]
    assert numbers(before, 8, 0) == [101]
    same, other = Streams(table), Streams(Table())
    same.restore(before.snapshot(), settled=True)
    assert numbers(same, 7, 2, 0) + numbers(same, 8, 0) == [101, 100, 101]
    assert table.asked == []
    assert numbers(same, 7, 3) == [-1]
    assert table.asked == [[b"unwatched"]], "what was refused is asked for again"
    assert same.keys(103)[100:] == [b"cart", b"db", b""]
    other.restore(before.snapshot(), settled=False)
    assert numbers(other, 7, 2, 0) == [101, 100]
    assert other.keys(102)[100:] == [b"cart", b"db"]


def test_what_was_refused_is_asked_for_again_once_others_have_gone():
    table = Table()
    streams = Streams(lambda keys: table(keys) if len(keys) > 1 else np.array([-2], np.int32))
    streams.learn(7, 0, (b"cart", b"over the limit"), NOW_MS)
    assert numbers(streams, 7, 1) == [-2]
    streams.forget(np.array([55], np.int32))
    assert numbers(streams, 7, 0, 1) == [100, 101]


def test_the_oldest_stream_is_forgotten_when_there_are_many():
    streams = Streams(Table())
    for stream in range(MAX_STREAMS + 1):
        streams.learn(stream, 0, (b"cart",), NOW_MS)
    assert numbers(streams, 0, 0) == [-1]
    assert numbers(streams, 1, 0) == [100]


def test_a_stream_that_is_silent_for_an_hour_is_forgotten_also_after_a_restart():
    """Gateways that are restarted would leave the names of all series behind each time."""
    streams, again = Streams(Table()), Streams(Table())
    streams.learn(7, 0, (b"cart",), NOW_MS)
    streams.learn(8, 0, (b"cart",), NOW_MS + 1)
    again.restore(streams.snapshot(), settled=False)
    for one in (streams, again):
        one.learn(8, 0, (), NOW_MS + SILENT_MS)
        assert numbers(one, 7, 0) == [100], "an hour is not over"
        one.learn(8, 0, (), NOW_MS + SILENT_MS + 1)
        assert numbers(one, 7, 0) == [-1]
        assert numbers(one, 8, 0) == [100]
