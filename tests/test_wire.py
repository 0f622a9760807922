from __future__ import annotations

import dataclasses
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiops import _wire_bytes, wire
from aiops.errors import InputError, StoreError
from aiops.model import Anomaly, Block, Event, Incident, Notification, SeriesKey, Signal
from rca import Case, Change, Column, Evidence, Ranking, ServiceGraph, Suspect, Symptom

SERIES = SeriesKey("latency_p95", "cart", "db", (("zone", "a"),))
ANOMALY = Anomaly(
    "a1", SERIES, "latency", "s", "up", True, 1, 2, None, 1.9, math.nan, -math.inf, math.inf, 9.5, 2.0, (("ewma", 3.0),)
)
ALERT = Event("e1", 5, "cart", "alert", "Höher", "https://x", "alertmanager", "firing", (("severity", "page"),))
RANKING = Ranking(
    (
        Suspect(
            "db",
            None,
            1.0,
            0.8,
            "deploy",
            "why",
            ("db", "cart"),
            (Evidence("k", 0.5, "t", (("n", 1.0),)),),
            Change(1, "db", "deploy"),
        ),
    ),
    False,
    ("a note",),
)
INCIDENT = Incident("i1", "open", "t", "critical", 1, 2, 3, None, ("cart",), (ANOMALY,), (ALERT,), (), RANKING, 2, "x")
LATENCY = Signal("latency_p95", "latency", "s")


def test_an_incident_comes_back_with_its_nan_and_infinities():
    note = Notification("k", INCIDENT, "console", "opened", 7)
    back = wire.decode(wire.encode(note), Notification)
    assert math.isnan(back.incident.anomalies[0].expected)
    plain = dataclasses.replace(ANOMALY, expected=0.0)
    still = dataclasses.replace(back.incident.anomalies[0], expected=0.0)
    assert still == plain
    assert dataclasses.replace(back.incident, anomalies=()) == dataclasses.replace(INCIDENT, anomalies=())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 bytes are too few"),
        (b"\x09\x01abc", "format version 9, this program reads version 1"),
        (b"\x01\x02abc", "these bytes are block, wanted noun"),
        (b"\x01\x07abc", "these bytes are unknown, wanted noun"),
        (b"\x01\x01\xc1", "are no Event"),
        (wire.encode(SERIES), "are no Event"),
    ],
)
def test_bytes_of_something_else_are_refused_and_say_why(data, said):
    with pytest.raises(StoreError, match=said):
        wire.decode(data, Event)


BITS = hnp.arrays(np.uint64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7))


@settings(max_examples=60, deadline=None)
@given(BITS, st.integers(-(2**40), 2**40))
def test_a_block_comes_back_bit_by_bit(bits, start):
    rows, columns = bits.shape
    block = Block(
        start + 7 * np.arange(rows, dtype=np.int64), np.arange(columns, dtype=np.int32)[::-1], bits.view(np.float64)
    )
    back = wire.decode_block(wire.encode_block(block))
    assert back.values.view(np.uint64).tolist() == bits.tolist()
    assert back.times.tolist() == block.times.tolist()
    assert back.ids.tolist() == block.ids.tolist()
    assert back.values.shape == (rows, columns)


def test_encoding_a_block_leaves_it_as_it_was_and_makes_slow_series_small():
    values = np.repeat(np.arange(50.0)[None, :], 200, axis=0)
    block = Block(np.arange(200, dtype=np.int64), np.arange(50, dtype=np.int32), values.copy())
    assert len(wire.encode_block(block)) < values.nbytes / 50
    assert np.array_equal(block.values, values)


def block(rows=3, ids=(0, 4)):
    values = np.arange(rows * len(ids), dtype=float).reshape(rows, len(ids))
    return Block(np.arange(rows, dtype=np.int64) * 1000, np.array(ids, dtype=np.int32), values)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_messages_give_a_store_error_or_a_value_never_a_crash(data):
    whole = data.draw(
        st.sampled_from([wire.encode_block(block()), wire.pack_arrays({"a": np.ones(3), "b": np.array(["x"])})])
    )
    at = data.draw(st.integers(2, len(whole) - 1))
    damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + data.draw(st.integers(0, 4)) :]
    for read in (wire.decode_block, wire.unpack_arrays):
        try:
            found = read(damaged)
        except StoreError:
            continue
        if isinstance(found, Block):
            assert found.values.shape == (len(found.times), len(found.ids))
        else:
            assert all(isinstance(array, np.ndarray) for array in found.values())


def test_a_block_cut_within_its_head_is_refused():
    with pytest.raises(StoreError, match="within its head"):
        wire.decode_block(wire.encode_block(block())[:5])


def test_a_small_message_cannot_ask_for_a_huge_memory():
    whole = bytearray(wire.encode_block(block()))
    rows, columns = 2**20, 2**20
    whole[2:10] = struct.pack("<II", rows, columns)
    whole[10:18] = struct.pack("<Q", rows * 8 + columns * 4 + rows * columns * 8)
    with pytest.raises(StoreError, match="over the limit"):
        wire.decode_block(bytes(whole))


def test_arrays_come_back_writable_with_type_and_shape():
    arrays = {
        "level": np.array([[1.5, np.nan]]),
        "n": np.array(3),
        "who": np.array(["a", "bc"]),
        "none": np.empty((0, 2), bool),
    }
    back = wire.unpack_arrays(wire.pack_arrays(arrays))
    assert {k: (v.dtype, v.shape) for k, v in back.items()} == {k: (v.dtype, v.shape) for k, v in arrays.items()}
    assert all(np.array_equal(back[k], v, equal_nan=v.dtype.kind == "f") for k, v in arrays.items())
    back["level"][0, 0] = 2.0


@pytest.mark.parametrize(("limit", "size"), [("MAX_PLAIN_BYTES", "800 bytes"), ("MAX_PACKED_BYTES", "bytes of packed")])
def test_arrays_that_no_store_would_give_back_are_not_packed(monkeypatch, limit, size):
    monkeypatch.setattr(_wire_bytes, limit, 16)
    with pytest.raises(StoreError, match=f"{size}.* over the limit of 16"):
        wire.pack_arrays({"level": np.ones(100)})


def test_arrays_of_objects_are_refused_both_ways():
    with pytest.raises(StoreError, match="'bad' holds objects"):
        wire.pack_arrays({"bad": np.array([None])})
    good = wire.pack_arrays({"x": np.ones(1)})
    for kind in (b"|O", b"<f0"):
        with pytest.raises(StoreError):
            wire.unpack_arrays(good.replace(b"<f8", kind.ljust(3)[:3]))


def case():
    graph = ServiceGraph([("shop", "cart")], nodes=["alone"], seen_ms=9)
    return Case(
        "i1",
        np.array([1, 2], dtype=np.int64),
        np.array([False, True]),
        (Column("cart", "latency_p95"), Column("shop", "client_latency_p95", "cart")),
        np.array([[1.0, np.nan], [2.0, 3.0]]),
        graph,
        Symptom("shop", "latency_p95", "latency"),
        2,
        15.0,
        (Change(1, "cart", "deploy", "v2"),),
    )


def test_a_case_comes_back_with_its_graph_and_changes():
    before, after = case(), wire.decode_case(wire.encode_case(case()))
    assert (after.name, after.columns, after.symptom, after.trigger_ms, after.step_s, after.changes) == (
        before.name,
        before.columns,
        before.symptom,
        before.trigger_ms,
        before.step_s,
        before.changes,
    )
    assert list(after.graph.edges()) == [("shop", "cart", 9)]
    assert after.graph.services() == ["alone", "cart", "shop"]
    assert np.array_equal(after.values, before.values, equal_nan=True)
    assert after.abnormal.tolist() == [False, True]


def test_arrays_of_something_else_are_no_case():
    with pytest.raises(StoreError, match="are no case"):
        wire.decode_case(wire.pack_arrays({"x": np.ones(1)}))


# -- replay files


def frames():
    other = SeriesKey("error_ratio", "cart")
    return [
        wire.ReplayBlock(block(), (SERIES, other), (LATENCY, Signal("error_ratio", "errors"))),
        ALERT,
        wire.ReplayBlock(block(2, (4,)), (other,), (Signal("error_ratio", "errors"),)),
    ]


@pytest.fixture
def replay(tmp_path):
    path = tmp_path / "day.replay"
    assert wire.write_replay(path, frames(), name="prom", step_s=15.0) == 3
    return path


def test_a_replay_file_gives_back_its_frames_and_head(replay):
    first, alert, second = wire.read_replay(replay)
    assert (first.keys, first.signals) == (frames()[0].keys, frames()[0].signals)
    assert np.array_equal(first.block.values, frames()[0].block.values)
    assert alert == ALERT
    assert (second.keys, second.block.ids.tolist()) == (frames()[2].keys, [4])
    assert wire.read_replay_head(replay) == wire.ReplayHead("prom", 15.0)
    assert [p.name for p in replay.parent.iterdir()] == ["day.replay"]


def test_every_cut_is_named_with_file_and_byte_and_never_loses_whole_frames(replay, tmp_path):
    whole = replay.read_bytes()
    cut = tmp_path / "cut"
    clean = 0
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        read = []
        try:
            read.extend(wire.read_replay(cut))
            clean += 1
        except InputError as error:
            assert str(cut) in str(error)  # noqa: PT017  # which error comes depends on the cut
    # Only cuts between frames read to their end: after the head, two series, block, event, block less the last.
    assert clean == 5


def test_every_changed_byte_is_noticed(replay, tmp_path):
    whole = replay.read_bytes()
    bad = tmp_path / "bad"
    for at in range(len(whole) - 1):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            same = list(wire.read_replay(bad))
        except InputError as error:
            assert str(bad) in str(error)  # noqa: PT017  # not every byte of the head matters
            continue
        assert len(same) == 3
        assert at < 60, "beyond the head every byte is under a checksum"


def test_frames_that_cannot_be_are_damage(replay, tmp_path):
    whole, bad = replay.read_bytes(), tmp_path / "bad"

    def frame(kind, body):
        return struct.pack("<IIB", len(body), zlib.crc32(body), kind) + body

    unknown_series = frame(2, wire.encode_block(block(1, (77,))))
    for more in (frame(9, b""), frame(3, b"\x01\x01\xc1"), unknown_series):
        bad.write_bytes(whole + more)
        with pytest.raises(InputError, match=f"damaged at byte {len(whole)}"):
            list(wire.read_replay(bad))
    bad.write_bytes(whole + struct.pack("<IIB", 2**31, 0, 2))
    with pytest.raises(InputError, match="a frame of 2147483648 bytes"):
        list(wire.read_replay(bad))


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no replay file"), (b"AIOPSREP\x07xx", "format version 7"), (None, "cannot be read")]
)
def test_what_is_no_replay_file_is_said_to_be_none(tmp_path, content, said):
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(wire.read_replay(path))


def test_a_file_that_could_not_be_finished_is_not_there(tmp_path):
    path = tmp_path / "x.replay"
    clash = wire.ReplayBlock(block(1, (0,)), (SeriesKey("other", "x"),), (LATENCY,))
    with pytest.raises(InputError, match="number 0 means"):
        wire.write_replay(path, [*frames(), clash])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot be written"):
        wire.write_replay(tmp_path / "missing" / "x", [])


def test_a_replay_block_needs_a_series_for_each_column():
    with pytest.raises(ValueError, match="equally many"):
        wire.ReplayBlock(block(), (SERIES,), (LATENCY,))
