"""remote_write 2.0 against the protobuf library, and against senders that get it wrong."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.demo.encode import HEADERS, compress, encode
from aiops.errors import InputError, TooLarge
from aiops.sources._pushed_samples import WriteLimits
from tests.sources._ledger import Reader, read
from tests.sources._write_messages import HEADERS_V2, RequestV2, message_v2, read_v2
from tests.sources._write_strategies import bodies, edits, mutated

T0 = 1_700_000_000_000
UP = (("__name__", "up"), ("job", "cart"))


@given(st.lists(bodies, min_size=1, max_size=4), st.sampled_from([0, T0]))
@settings(deadline=None, max_examples=200)
def test_any_valid_body_reads_as_the_protobuf_library_reads_it(several, start_ms) -> None:
    """Whatever was read before: each body comes three times, among others, to one reader."""
    reader = Reader()
    for body in [*several, *several, several[-1]]:
        request = message_v2(body, start_ms=start_ms)
        assert reader(compress(request.SerializeToString()), HEADERS_V2) == read_v2(request)


@given(bodies, edits)
@settings(deadline=None, max_examples=400)
def test_a_mutated_message_is_refused_or_read_as_the_library_reads_it(body, edits) -> None:
    reader = Reader()
    reader(compress(message_v2(body).SerializeToString()), HEADERS_V2)  # so that its series are expected
    message = mutated(message_v2(body).SerializeToString(), edits)
    try:
        got = reader(compress(message), HEADERS_V2)
    except InputError:
        return
    try:
        request = RequestV2.FromString(message)
    except DecodeError:
        # The library looks into exemplars, histograms, metadata and unused symbols too, which we only count.
        return
    assert got == read_v2(request)


def test_both_versions_know_one_series_by_one_number() -> None:
    reader = Reader()
    for _ in range(2):
        reader(encode([(UP, [(T0, 1.0)])]))
        reader(compress(message_v2([(UP, [(T0, 1.0)], 0, 0)]).SerializeToString()), HEADERS_V2)
    assert reader.ledger.labels == [UP]
    assert reader.ledger.asked == 2


def test_a_series_is_known_again_under_another_table_of_symbols() -> None:
    reader = Reader()
    other = (("__name__", "down"), ("job", "cart"))
    for body in ([(UP, [(T0, 1.0)], 0, 0)], [(other, [(T0, 3.0)], 0, 0), (UP, [(T0, 2.0)], 0, 0)]):
        got = reader(compress(message_v2(body).SerializeToString()), HEADERS_V2)
    assert got.labels == [other, UP]
    assert reader.ledger.asked == 2


def test_references_that_are_not_packed_and_symbols_behind_the_series_are_read() -> None:
    request = message_v2([(UP, [(T0, 1.0)], 0, 0)])
    series, symbols = RequestV2(), RequestV2(symbols=request.symbols)
    series.timeseries.add().samples.extend(request.timeseries[0].samples)
    inner = series.timeseries[0].SerializeToString() + b"".join(bytes([8, ref]) for ref in (1, 2, 3, 4))
    message = b"\x2a" + bytes([len(inner)]) + inner + symbols.SerializeToString()
    assert RequestV2.FromString(message).timeseries[0].labels_refs == [1, 2, 3, 4]
    assert read(compress(message), headers=HEADERS_V2) == read_v2(RequestV2.FromString(message))


def test_a_reference_of_more_than_32_bits_is_cut_as_the_library_cuts_it() -> None:
    request = message_v2([(UP, [(T0, 1.0)], 0, 0)])
    inner = (
        b"\x0a\x08\x81\x80\x80\x80\x10\x02\x03\x04" + b"\x12\x10" + request.timeseries[0].samples[0].SerializeToString()
    )
    message = RequestV2(symbols=request.symbols).SerializeToString() + b"\x2a" + bytes([len(inner)]) + inner
    assert RequestV2.FromString(message).timeseries[0].labels_refs == [1, 2, 3, 4]
    assert read(compress(message), headers=HEADERS_V2) == read_v2(RequestV2.FromString(message))


@pytest.mark.parametrize("refs", [[1, 99], [1, 2, 3]])
def test_references_to_nothing_refuse_the_body(refs) -> None:
    request = message_v2([(UP, [(T0, 1.0)], 0, 0)] * 2)
    del request.timeseries[1].labels_refs[:]
    request.timeseries[1].labels_refs.extend(refs)
    with pytest.raises(InputError, match=r"no write\.v2\.Request: a label refers to a symbol that is not there"):
        read(compress(request.SerializeToString()), headers=HEADERS_V2)


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        ((), "no __name__"),
        ((("__name__", "up"), ("job", "")), "label 'job' has an empty value"),
        ((("job", "a"), ("__name__", "up")), "sorted and unique"),
        ((("__name__", "up"), ("__name__", "up")), "sorted and unique"),
        ((("__name__", "up"), ("job", "v" * 5000)), "more than 4096 bytes"),
        ((("__name__", "up"), *((f"l{i:03}", "v") for i in range(200))), "more than 64 labels"),
    ],
)
def test_a_bad_label_set_refuses_the_body(labels, rule) -> None:
    request = message_v2([(UP, [(T0, 1.0)], 0, 0), (labels, [(T0, 1.0)], 0, 0)])
    reader = Reader()
    for _ in range(2):
        with pytest.raises(InputError, match=rule):
            reader(compress(request.SerializeToString()), HEADERS_V2)
    assert reader.ledger.labels == [], "nothing of it is taken"


def test_a_long_description_is_no_label() -> None:
    request = message_v2([(UP, [(T0, 1.0)], 0, 0)])
    request.symbols.append("d" * 10_000)
    request.timeseries[0].metadata.help_ref = len(request.symbols) - 1
    assert read(compress(request.SerializeToString()), headers=HEADERS_V2).labels == [UP]


def test_a_body_with_too_many_symbols_is_refused() -> None:
    body = compress(message_v2([(UP, [(T0, 1.0)], 0, 0)]).SerializeToString())
    assert read(body, WriteLimits(symbols_per_body=5), HEADERS_V2).labels == [UP]
    with pytest.raises(TooLarge, match="more than 4 symbols"):
        read(body, WriteLimits(symbols_per_body=4), HEADERS_V2)


def test_a_body_of_the_other_version_is_refused_and_not_read_as_nothing() -> None:
    old, new = encode([(UP, [(T0, 1.0)])]), compress(message_v2([(UP, [(T0, 1.0)], 0, 0)]).SerializeToString())
    for body, headers in ((old, HEADERS_V2), (new, HEADERS)):
        with pytest.raises(InputError, match="the other version of remote_write"):
            read(body, headers=headers)


def test_without_a_content_type_the_version_header_decides() -> None:
    body = compress(message_v2([(UP, [(T0, 1.0)], 0, 0)]).SerializeToString())
    assert read(body, headers={"X-Prometheus-Remote-Write-Version": "2.0.0"}).labels == [UP]
    assert read(encode([(UP, [(T0, 1.0)])]), headers=HEADERS).labels == [UP]
