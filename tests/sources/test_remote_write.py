"""What a remote_write body may look like, and what is said when it may not."""

import math
import struct

import cramjam
import numpy as np
import pytest

from aiops.demo.encode import HEADERS, compress, encode, encode_block, key_of
from aiops.errors import InputError, TooLarge, UnsupportedMedia
from aiops.sources._pushed_samples import WriteLimits, varint
from tests.sources._ledger import Reader, read

UP = (("__name__", "up"), ("job", "cart"))
T0 = 1_700_000_000_000


def field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return field(10, field(10, name.encode()) + field(18, value.encode()))


def sample(value: float, time_ms: int) -> bytes:
    return field(18, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms))


def body_of(*series: bytes) -> bytes:
    return compress(b"".join(field(10, one) for one in series))


def test_series_come_out_with_their_labels_times_and_values() -> None:
    down = (("__name__", "up"), ("job", "db"))
    got = read(encode([(UP, [(T0, 1.0), (T0 + 15_000, 2.5)]), (down, [(T0, 0.0)])]))
    assert got.labels == [UP, UP, down]
    assert got.times == [T0, T0 + 15_000, T0]
    assert got.values == [1.0, 2.5, 0.0]
    assert not any(got.stale)


def test_an_empty_body_is_no_samples() -> None:
    assert read(compress(b"")).rows == []


def test_the_dense_encoder_writes_what_the_plain_one_writes() -> None:
    times = T0 + 15_000 * np.arange(3)
    values = np.array([[1.0, math.nan], [2.0, 5.0], [math.nan, 6.0]])
    dense = encode_block([key_of(UP), key_of(UP)], times, values)
    columns = [
        [(int(t), float(v)) for t, v in zip(times, column, strict=True) if not math.isnan(v)] for column in values.T
    ]
    assert dense == encode([(UP, columns[0]), (UP, columns[1])])


def test_the_dense_encoder_refuses_times_that_do_not_fit_its_form() -> None:
    with pytest.raises(ValueError, match="1971"):
        encode_block([key_of(UP)], np.array([5]), np.ones((1, 1)))


def test_only_the_stale_marker_ends_a_series() -> None:
    stale, plain = struct.unpack("<2d", struct.pack("<2Q", 0x7FF0000000000002, 0x7FF8000000000001))
    got = read(encode([(UP, [(T0, stale), (T0 + 1, plain), (T0 + 2, 3.0)])]))
    assert got.stale == [True, False, False]
    assert np.isnan(got.values).tolist() == [True, True, False]


def test_exemplars_histograms_and_metadata_are_counted_as_skipped() -> None:
    series = label("__name__", "up") + field(26, b"\x01\x02") + field(34, b"") + field(34, b"") + sample(1.0, T0)
    got = read(compress(field(10, series) + field(26, b"xyz")))
    assert got.skipped == {"exemplars": 1, "histograms": 2, "metadata": 1}
    assert got.values == [1.0]


def test_unknown_fields_are_skipped_everywhere() -> None:
    unknown = b"\x78\x05" + field(0x7A, b"abc") + b"\x79" + bytes(8) + b"\x7d" + bytes(4)
    inner = field(18, unknown + b"\x09" + struct.pack("<d", 7.0) + unknown + b"\x10" + varint(T0))
    name = field(10, unknown + field(10, b"__name__") + unknown + field(18, b"up"))
    got = read(compress(unknown + field(10, unknown + name + unknown + inner) + unknown))
    assert got.labels == [(("__name__", "up"),)]
    assert (got.values, got.times) == ([7.0], [T0])


def test_a_known_field_with_a_foreign_wire_type_is_an_unknown_field() -> None:
    inner = field(18, b"\x08\x05" + b"\x12\x01x" + b"\x09" + struct.pack("<d", 7.0) + b"\x10\x05")
    got = read(body_of(b"\x08\x01" + label("__name__", "up") + inner))
    assert (got.values, got.times) == ([7.0], [5])


def test_labels_after_and_between_samples_are_put_together() -> None:
    a, b = label("__name__", "up"), label("job", "cart")
    for series in (sample(1.0, T0) + a + b, a + sample(1.0, T0) + b, a + b"\x78\x05" + b + sample(1.0, T0)):
        assert read(body_of(series)).labels == [UP]


@pytest.mark.parametrize("size", [200, 4000])
def test_long_labels_are_read(size: int) -> None:
    labels = (("__name__", "x" * 300), ("job", "y"), ("path", "z" * size))
    reader = Reader()
    for _ in range(3):
        assert reader(encode([(UP, [(T0, 1.0)]), (labels, [(T0, 1.0)])])).labels == [UP, labels]


def test_times_of_any_size_are_read() -> None:
    times = [0, -1, 127, 1 << 35, (1 << 42) - 1, 1 << 42, (1 << 63) - 1, -(1 << 63)]
    assert read(encode([(UP, [(t, 1.0) for t in times])])).times == times


def test_known_label_sets_are_not_looked_into_again() -> None:
    reader = Reader()
    body = encode([(UP, [(T0, 1.0)]), ((("__name__", "down"),), [(T0, 2.0)])])
    assert reader(body).rows == reader(body).rows == reader(body).rows
    assert reader.ledger.asked == 2


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        (label("job", "a"), "no __name__"),
        (b"", "no __name__"),
        (label("__name__", "up") + label("job", ""), "label 'job' has an empty value"),
        (label("", "x") + label("__name__", "up"), "an empty name"),
        (label("job", "a") + label("__name__", "up"), "sorted and unique"),
        (label("__name__", "up") + label("__name__", "up"), "sorted and unique"),
        (field(10, field(10, b"__name__") + field(18, b"\xff")), "not UTF-8"),
        (field(10, b"\x0a\x7f"), "longer than the message"),
        (field(10, b"\x0b"), "not supported"),
        (field(10, b"\x02\x00"), "not supported"),
        (field(10, b"\x0a" + b"\xff" * 10 + b"\x01"), "longer than 10 bytes"),
        (field(10, b"\x0a\xff"), "cut short"),
    ],
)
def test_a_bad_label_set_refuses_the_body(labels: bytes, rule: str) -> None:
    good = label("__name__", "up") + sample(1.0, T0)
    with pytest.raises(InputError, match=rule):
        read(body_of(good, labels + sample(1.0, T0)))


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (b"\x0a\x05", "longer than the message around it, at byte 0"),
        (b"\x0a\x02\x12\x05", "longer than the message around it, at byte 2"),
        (b"\x0a\x04\x12\x02\x09\x00", "longer than the message"),
        (b"\x0a\x04\x12\x02\x0d\x00", "longer than the message"),
        (b"\x0a\x04\x12\x02\x10\xff", "longer than the message"),
        (b"\x0a", "longer than the message"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than the message"),
        (b"\x80" * 11, "varint is longer than 10 bytes"),
        (b"\x02\x00", "number 0"),
        (b"\xf8\xff\xff\xff\xff\x01\x00", "number 0"),
        (b"\x0e\x00", "wire type"),
        (b"\x0b\x0c", "groups"),
        (b"\x0a\x02\x0b\x0c", "groups"),
        (b"\x0a\x04\x12\x02\x0b\x0c", "groups"),
        (b"\x0a\x01\x80", "longer than the message"),
        (b"\x0a\x03\x12\x01\x80", "longer than the message"),
        (b"\x0a\x02\x08\x80", "longer than the message"),
    ],
)
def test_a_broken_message_is_an_input_error_with_its_place(message: bytes, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read(compress(message))


def test_nothing_of_a_series_is_read_after_its_end() -> None:
    """What follows would complete it, and is a valid (unknown) field of the request by itself."""
    cut_in_sample = (label("__name__", "up") + sample(1.0, T0), 7)
    cut_in_label = (label("__name__", "up"), 4)
    for content, tail in (cut_in_sample, cut_in_label):
        message = b"\x0a" + varint(len(content) - tail) + content
        with pytest.raises(InputError, match="longer than the message"):
            read(compress(message))


def test_limits_refuse_the_whole_body() -> None:
    body = encode([(UP, [(T0, 1.0), (T0 + 1, 2.0)]), (UP, [(T0, 1.0), (T0 + 1, 2.0)])])
    for limits, rule in (
        (WriteLimits(body_bytes=10), "the limit is 10"),
        (WriteLimits(decompressed_bytes=10), "decompresses to"),
        (WriteLimits(series_per_body=1), "more than 1 series"),
        (WriteLimits(samples_per_body=3), "more than 3 samples"),
        (WriteLimits(labels_per_series=1), "more than 1 labels"),
        (WriteLimits(label_name_bytes=7), "a label name has 8 bytes"),
        (WriteLimits(label_value_bytes=3), "a label value has 4 bytes"),
    ):
        with pytest.raises(TooLarge, match=rule):
            read(body, limits)
    assert len(read(body, WriteLimits(series_per_body=2, samples_per_body=4, labels_per_series=2)).values) == 4


def test_a_bomb_is_refused_before_it_is_decompressed() -> None:
    with pytest.raises(TooLarge, match="decompresses to 4294967295 bytes"):
        read(varint(0xFFFFFFFF) + b"\x00" * 16)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "states no size"),
        (b"\xff\xff\xff\xff\xff\x01", "states no size"),
        (b"\xff\xff\xff\xff\x7f", "states no size"),
        (b"\x05\x00", "not snappy"),
        (bytes(cramjam.snappy.compress(b"hello")), "framed snappy"),
    ],
)
def test_what_is_not_block_snappy_is_refused(body: bytes, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read(body)


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"content-type": 'application/x-protobuf; charset=x; proto="other.Message"'}, "other.Message"),
        ({"content-type": "application/json"}, "application/json"),
        ({"content-encoding": "gzip"}, "gzip"),
    ],
)
def test_other_protocols_are_unsupported_media(headers: dict[str, str], rule: str) -> None:
    with pytest.raises(UnsupportedMedia, match=rule):
        read(encode([(UP, [(T0, 1.0)])]), headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        HEADERS,
        {"CONTENT-TYPE": "Application/X-Protobuf; proto=prometheus.WriteRequest", "Content-Encoding": "Snappy"},
        {"content-type": "application/x-protobuf", "x-prometheus-remote-write-version": "2.0.0"},
    ],
)
def test_the_content_type_decides_and_missing_headers_mean_version_1(headers: dict[str, str]) -> None:
    assert read(encode([(UP, [(T0, 1.0)])]), headers=headers).values == [1.0]


def test_an_expected_series_that_has_more_labels_this_time_is_another() -> None:
    """The labels of the series that is guessed are the beginning of those that come, tag and all."""
    more = (*UP, ("zone", "a"))
    reader = Reader()
    first = (("__name__", "first"),)
    for labels in (UP, UP, UP, more, UP, more):
        assert reader(encode([(first, [(T0, 1.0)]), (labels, [(T0, 1.0)])])).labels == [first, labels]


def test_an_expected_series_whose_labels_go_on_behind_its_samples_is_another() -> None:
    a, b = label("__name__", "up"), label("job", "cart")
    reader = Reader()
    first = label("__name__", "first") + sample(1.0, T0)
    for _ in range(3):
        reader(body_of(first, a + sample(1.0, T0)))
    # The tag of a label in two bytes, which a plain comparison with the tag would miss.
    for more in (sample(1.0, T0) + b, b"\x8a\x00" + b[1:] + sample(1.0, T0)):
        assert reader(body_of(first, a + more)).labels[1] == UP


@pytest.mark.parametrize("value_bytes", [4, 130, 20_000])  # a series has a length of one, two or three bytes
def test_limits_hold_for_series_that_are_expected(value_bytes: int) -> None:
    first, second = ((("__name__", name), ("job", "v" * value_bytes)) for name in "ab")
    limits = WriteLimits(series_per_body=2, samples_per_body=3, label_value_bytes=20_000)
    reader, one = Reader(limits), [(T0, 1.0)]
    for samples in (one, one, one, [(T0, 1.0), (T0 + 1, 2.0)]):
        got = reader(encode([(first, one), (second, samples)]))
        assert list(zip(got.labels, got.times, got.values, strict=True)) == [
            (labels, *sample) for labels, some in ((first, one), (second, samples)) for sample in some
        ]
    with pytest.raises(TooLarge, match="more than 3 samples"):
        reader(encode([(first, one), (second, [(T0 + i, 1.0) for i in range(3)])]))
    with pytest.raises(TooLarge, match="more than 2 series"):
        reader(encode([(first, one), (second, one), (first, [])]))


def test_series_in_any_order_and_twice_are_known_again() -> None:
    reader = Reader()
    names = [(("__name__", f"m{i}"),) for i in range(9)]
    for order in (range(9), range(8, -1, -1), [1, 1, 1, 2, 1], range(9), [5], range(9)):
        assert reader(encode([(names[i], [(T0, float(i))]) for i in order])).values == [float(i) for i in order]
    assert reader.ledger.asked == 9


def test_a_refused_body_leaves_nothing_behind() -> None:
    reader = Reader()
    good, bad = label("__name__", "up") + sample(1.0, T0), label("job", "a") + sample(1.0, T0)
    with pytest.raises(InputError, match="no __name__"):
        reader(body_of(good, bad))
    assert reader.ledger.labels == []
    assert len(reader.ledger.index) == 0
