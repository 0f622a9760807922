from __future__ import annotations

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import InputError
from aiops.kafka import frames
from aiops.kafka.columns import pack_columns, unpack_columns
from aiops.kafka.frames import Answer, Edges, Found, Frame, Question, Rows, block_of, pack, rows_of, unpack
from aiops.model import Anomaly, Block, Event, SeriesKey, Signal

STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]
SIGNAL = Signal("latency_p95", "latency", "s")
SERIES = SeriesKey("latency_p95", "cart")
ANOMALY = Anomaly("a1", SERIES, "latency", "s", "up", True, 5, 6, None, 2.0, 1.0, 0.8, 1.2, 9.0, 2.0)
BITS = st.integers(0, 2**64 - 1)


@given(
    st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(-(2**62), 2**62), BITS), max_size=50),
    st.lists(st.binary(max_size=30), max_size=5),
)
def test_a_frame_comes_out_bit_by_bit_as_it_went_in(samples, names):
    numbers, times, bits = zip(*samples, strict=True) if samples else ((), (), ())
    values = np.array(bits, np.uint64).view(np.float64)
    frame = Frame(7, 3, tuple(names), np.array(numbers, np.int32), np.array(times, np.int64), values)
    got = unpack(pack(frame))
    assert isinstance(got, Frame)
    assert (got.stream, got.first, got.names) == (7, 3, tuple(names))
    assert np.array_equal(got.numbers, frame.numbers)
    assert np.array_equal(got.times, frame.times)
    assert np.array_equal(got.values.view(np.uint64), values.view(np.uint64))


@pytest.mark.parametrize(
    "message",
    [
        None,
        "undo-this",
        Event("e1", 5, "cart", "deploy", "v2"),
        Question("q", ("far",), 9),
        Found(3, 10, False, (ANOMALY,)),
        Edges(2, (("cart", "db", 7),)),
        Rows(7, "prom", 30.0, 60_000, True, 0, ((SERIES, SIGNAL),), b""),
    ],
    ids=lambda m: type(m).__name__,
)
def test_every_message_comes_out_as_it_went_in(message):
    assert unpack(pack(message)) == message


def test_an_answer_keeps_times_and_values_to_six_digits():
    answer = Answer("q", 3, 30.0, ((SERIES, SIGNAL),), np.array([1, 2]), np.array([[0.25], [np.nan]]), 1, 2)
    got = unpack(pack(answer))
    assert isinstance(got, Answer)
    assert (got.question, got.partition, got.step_s, got.columns) == ("q", 3, 30.0, ((SERIES, SIGNAL),))
    assert got.times.tolist() == [1, 2]
    assert np.array_equal(got.values, answer.values, equal_nan=True)


def test_rows_hold_a_block():
    block = Block(np.array([30_000, 60_000]), np.array([0, 4], np.int32), np.array([[1.0, np.nan], [2.0, 3.0]]))
    rows = Rows(7, "prom", 30.0, 60_000, False, 0, (), rows_of(block))
    got = block_of(rows)
    assert got.ids.tolist() == [0, 4]
    assert np.array_equal(got.values, block.values, equal_nan=True)
    with pytest.raises(InputError, match="rows of prom"):
        block_of(Rows(7, "prom", 30.0, 60_000, False, 0, (), b"\x01\x02nonsense"))


FRAME = pack(Frame(7, 0, (b"cart", b"db"), np.arange(2, dtype=np.int32), np.array([5, 5]), np.array([1.0, STALE])))


@given(st.integers(0, len(FRAME) - 1), st.integers(0, 255), st.integers(0, len(FRAME)))
def test_a_damaged_message_is_an_input_error_and_nothing_else(place, byte, length):
    damaged = bytearray(FRAME)
    damaged[place] = byte
    for data in (bytes(damaged), FRAME[:length]):
        refused_or_whole(data)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_crash_the_reader(data):
    refused_or_whole(data)
    refused_or_whole(FRAME[:2] + data)


def refused_or_whole(data):
    """Most damage is found; what is not is another message, whose columns are equally long."""
    try:
        found = unpack(data)
    except InputError as error:
        assert str(error).startswith("message")  # noqa: PT017  # either is right
        return
    if isinstance(found, Frame):
        assert len(found.numbers) == len(found.times) == len(found.values)
    else:
        assert found is None or isinstance(found, (Rows, Question, Found, Edges, Answer))


def test_a_message_that_asks_for_too_much_room_is_refused_before_it_gets_it(monkeypatch):
    monkeypatch.setattr(frames, "MAX_SAMPLES", 1)
    with pytest.raises(InputError, match="2 samples are over the limits"):
        unpack(FRAME)


@pytest.mark.parametrize("data", [b"", b"\x02\x01", b"\x01\xff"], ids=["empty", "version", "kind"])
def test_a_message_of_another_version_or_kind_is_named(data):
    with pytest.raises(InputError, match=r"must begin with the byte 1|there is no kind 255"):
        unpack(data)


def frame_of(values, times=None):
    """A frame in which every series has one sample."""
    n = len(values)
    times = np.full(n, 1_700_000_000_000) if times is None else times
    return Frame(7, 0, (), np.arange(n, dtype=np.int32), times, np.asarray(values, np.float64))


@given(st.lists(st.tuples(st.integers(-(2**54), 2**54), st.integers(0, 16)), max_size=50))
def test_decimal_numbers_come_out_bit_by_bit_whatever_their_digits(numbers):
    values = np.array([n / 10**e for n, e in numbers])
    got = unpack(pack(frame_of(values)))
    assert isinstance(got, Frame)
    assert np.array_equal(got.values.view(np.uint64), values.view(np.uint64))


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda rng, n: np.floor(10 ** rng.uniform(2, 7, n)), 2.6),
        (lambda rng, n: np.round(rng.uniform(0, 1000, n), 2), 2.4),
        (lambda rng, n: np.floor(rng.uniform(1e3, 1e5, n) * 1e9) / 1e9, 6.0),
        (lambda rng, n: rng.random(n), 7.2),
        (lambda _rng, n: np.full(n, STALE), 0.1),
    ],
    ids=["counters", "two digits", "nanoseconds", "all digits", "stale"],
)
def test_steady_series_take_few_bytes(make, most):
    """Scrapes of 20 targets; what has no pattern at all takes 52 bits of 64."""
    n = 10_000
    values = make(np.random.default_rng(0), n)
    times = 1_700_000_000_000 + np.repeat(np.random.default_rng(1).integers(0, 15_000, 20), n // 20)
    assert len(pack(frame_of(values, times))) <= most * n


def test_columns_of_long_parts_come_out_also_when_another_producer_makes_one_block_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(3_000), np.floor(10 ** rng.uniform(2, 7, 3_000)), np.full(3_000, STALE)])
    frame = frame_of(values)
    blocks = pack(frame)
    monkeypatch.setattr(frames, "_zipped", lambda parts: bytes(cramjam.zstd.compress(b"".join(parts))))
    for data in (blocks, pack(frame)):
        got = unpack(data)
        assert isinstance(got, Frame)
        assert np.array_equal(got.values.view(np.uint64), values.view(np.uint64))


def test_columns_that_do_not_add_up_are_an_input_error():
    data = b"".join(pack_columns(np.arange(3, dtype=np.int32), np.full(3, 5), np.array([1.0, 2.0, 3.0])))
    for damaged in (data + b"\0", data[:-1], b"\x09" + data[1:], data[:2] + b"\x05" + data[3:]):
        with pytest.raises(ValueError, match="column"):
            unpack_columns(damaged, 3, 5)
