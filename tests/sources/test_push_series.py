"""Raw series: which label sets are held, which are only remembered, and where it ends."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aiops.sources.push
from aiops.demo.encode import HEADERS, encode
from aiops.errors import InputError, TooLarge
from aiops.model import Signal
from aiops.packs._recipe import Matcher, Pack, Recipe, Selector
from aiops.sources._pushed_health import REASONS, Tally
from aiops.sources._pushed_samples import KnownNumbers, WriteLimits, checked_labels, fields, key_of, labels_of
from aiops.sources._pushed_series import LABEL_LIMIT, SERIES_LIMIT, UNWATCHED, RawSeries, SeriesLimits
from aiops.sources._pushed_watch import Watchlist
from aiops.sources._series_index import UNKNOWN
from aiops.sources.remote_write import WriteReader
from aiops.wire import pack_arrays, unpack_arrays
from tests.sources._push_wall import CALLS, PACK, T0, samples, series

QUANTILE = Recipe("t", Signal("p95", "latency"), "quantile", Selector("b"), service=("job",))
CALL = Recipe(
    "t",
    Signal("client_requests_rate", "traffic"),
    "ratio",
    Selector("calls_total", (Matcher("code", "!=", "200"),)),
    Selector("calls_total"),
    service=("client",),
    peer=("server",),
    by=("verb",),
)


def table(**limits) -> RawSeries:
    return RawSeries(Watchlist([PACK]), SeriesLimits(**limits))


def keys(name: str, *jobs: str) -> list[bytes]:
    return [key_of(series(name, job=job)) for job in jobs]


def touch(raws: RawSeries, numbers, time_ms: int, *, stale: bool = False) -> None:
    (raws.ended_ms if stale else raws.last_seen_ms)[numbers] = time_ms


def test_equal_labels_have_one_number_however_they_are_written() -> None:
    raws = table()
    plain = key_of(series("level", job="cart"))
    # A length that is written with a byte too many is the same label to protobuf.
    wordy = plain.replace(b"\x0a\x11\x0a\x08", b"\x0a\x12\x0a\x88\x00", 1)
    assert labels_of(plain, WriteLimits()) == labels_of(wordy, WriteLimits())
    assert plain != wordy
    assert raws.resolve([plain, wordy, plain]).tolist() == [0, 0, 0]
    assert (len(raws), raws.width) == (1, 1)


LABELS = st.dictionaries(st.text(max_size=6), st.text(max_size=6) | st.just("v" * 200), max_size=4)


def said_of(key: bytes, limits: WriteLimits) -> object:
    """The label set, or what is wrong with it."""
    try:
        return labels_of(key, limits)
    except InputError as error:
        return str(error)


@given(LABELS, st.integers(0, 60), st.integers(0, 255))
def test_the_quick_way_to_read_labels_says_what_the_thorough_one_says(labels, place, byte) -> None:
    thorough = WriteLimits(label_name_bytes=126, label_value_bytes=1 << 20)
    key = key_of(sorted(({"__name__": "up"} | labels).items()))
    damaged = key[:place] + bytes([byte]) + key[place + 1 :]
    for one in (key, damaged, key[:place]):
        assert said_of(one, WriteLimits()) == said_of(one, thorough)


def test_what_nobody_selects_is_remembered_and_holds_nothing() -> None:
    raws = table()
    numbers = raws.resolve([*keys("other", "a", "b"), *keys("level", "a"), key_of(series("level", nojob="x"))])
    assert numbers.tolist() == [UNWATCHED, UNWATCHED, 0, UNWATCHED]
    assert len(raws.index) == 4
    assert [number for number, _ in raws.fresh()] == [0]
    assert raws.fresh() == []


def test_no_more_is_remembered_than_allowed_and_room_is_made() -> None:
    raws = table(max_unwatched=2)
    raws.resolve(keys("other", "a", "b", "c", "d"))
    assert len(raws.index) == 2
    assert raws.evict(0, 0).tolist() == []
    assert len(raws.index) == 0
    held = table(max_raw_series=1)
    held.resolve([key_of(series("level", job="a")) + bytes([0x78, i]) for i in range(5)])
    assert (len(held), len(held.index)) == (1, 2)


def test_series_over_the_limit_are_told_apart_and_come_in_when_there_is_room() -> None:
    raws = table(max_raw_series=2)
    a, b, c = keys("level", "a", "b", "c")
    assert raws.resolve([a, b, c]).tolist() == [0, 1, SERIES_LIMIT]
    assert raws.resolve([c]).tolist() == [SERIES_LIMIT]
    touch(raws, [0], 1000)
    touch(raws, [1], 500)
    assert raws.evict(1000, 0).tolist() == [1]
    assert raws.resolve([c, a, b]).tolist() == [1, 0, SERIES_LIMIT]
    assert (len(raws), raws.width) == (2, 2)


def test_long_labels_use_up_the_room_of_many_short_ones_and_give_it_back() -> None:
    long = [key_of(series("level", job=str(n) * 400)) for n in range(3)]
    raws = table(max_label_bytes=1000)
    assert raws.resolve(long).tolist() == [0, 1, SERIES_LIMIT]
    assert raws.resolve(keys("level", "short")).tolist() == [2]
    touch(raws, [0], 500)
    touch(raws, [1, 2], 1000)
    raws.evict(1000, 0)
    assert raws.resolve(long[::-1]).tolist() == [0, 1, SERIES_LIMIT]


def test_refused_and_evicted_series_leave_nothing_behind() -> None:
    raws = table(max_label_values=1)
    raws.resolve([key_of(series("level", job="a")), key_of(series("level", job="b", pod="1"))])
    assert raws._values == {"level": {"job": {"a": 1}}}
    touch(raws, [0], 500)
    raws.evict(1000, 0)
    assert not raws._values


def test_a_label_with_too_many_values_is_cut_per_metric_and_label() -> None:
    raws = RawSeries(Watchlist([Pack("t", "t", (), (*PACK.recipes, QUANTILE))]), SeriesLimits(max_label_values=2))
    assert raws.resolve(keys("level", "a", "b", "c")).tolist() == [0, 1, LABEL_LIMIT]
    assert raws.resolve(keys("hits_total", "c")).tolist() == [2]
    buckets = [key_of(series("b", job="a", le=str(i))) for i in range(9)]
    assert LABEL_LIMIT not in raws.resolve(buckets), "the bounds of buckets are no cardinality"
    touch(raws, [1], 500)
    touch(raws, [0, *range(2, 12)], 1000)
    raws.evict(1000, 0)
    assert raws.resolve(keys("level", "c")).tolist() == [1]


def test_a_refused_series_does_not_count_its_other_labels() -> None:
    raws = table(max_label_values=1)
    first = [key_of(series("level", job="a", pod="1"))]
    refused = [key_of(series("level", job="b", pod="1")), key_of(series("level", job="a", pod="2"))]
    assert raws.resolve([*first, *refused]).tolist() == [0, LABEL_LIMIT, LABEL_LIMIT]
    raws.evict(1, 0)
    assert raws.resolve([key_of(series("level", job="b", pod="2"))]).tolist() == [0]


def test_ended_series_go_sooner_and_a_later_sample_keeps_them() -> None:
    raws = table()
    raws.resolve(keys("level", "a", "b", "c"))
    touch(raws, [0, 1, 2], 100)
    touch(raws, [0, 1], 200, stale=True)
    touch(raws, [1], 300)
    assert raws.alive(50).tolist() == [False, True, True]
    assert raws.alive(100).tolist() == [False, True, False]
    assert raws.evict(0, 250).tolist() == [0]
    assert raws.alive(50).tolist() == [False, True, True]


def test_a_number_that_is_used_again_has_no_past() -> None:
    raws = table()
    raws.resolve([key_of(series("calls_total", client=client, server="y")) for client in ("w", "x")])
    touch(raws, [0, 1], 100)
    assert len(raws.edges(0)) == 2
    assert raws.evict(101, 0).tolist() == [0, 1]
    assert sorted(raws.resolve(keys("level", "p", "q")).tolist()) == [0, 1]
    assert not raws.alive(-1).any()
    touch(raws, [0, 1], 200)
    assert raws.edges(0) == []


def test_many_series_grow_the_table() -> None:
    raws = table()
    numbers = raws.resolve(keys("level", *map(str, range(1000))))
    assert numbers.tolist() == list(range(1000))
    touch(raws, numbers, 5)
    assert raws.alive(4).sum() == 1000


def test_uses_name_recipe_side_series_and_bucket() -> None:
    watch = Watchlist([Pack("t", "t", (), (QUANTILE, CALL), (CALLS,))])
    call = dict(series("calls_total", client="cart", server="db:5432", code="500", verb="get"))
    assert [(use.recipe, use.side, str(use.key)) for use in watch.uses(call)] == [
        (1, "of", "cart>db|client_requests_rate{verb=get}"),
        (1, "to", "cart>db|client_requests_rate{verb=get}"),
    ]
    assert [use.side for use in watch.uses({**call, "code": "200"})] == ["to"]
    assert watch.uses({**call, "server": ""}) == ()
    assert watch.is_edge(call)
    assert [use.bound for use in watch.uses(dict(series("b", job="a", le="+Inf")))] == [float("inf")]
    for le in ("x", "NaN"):
        assert watch.uses(dict(series("b", job="a", le=le))) == ()
    assert watch.uses(dict(series("b", job="a"))) == ()
    assert not watch.is_edge(dict(series("b", job="a")))


@pytest.mark.parametrize(
    "labels",
    [
        (("job", "a"),),
        (("__name__", "up"), ("__name__", "up")),
        (("job", "a"), ("__name__", "up")),
        (("__name__", "up"), ("job", "")),
        (("", "x"), ("__name__", "up")),
    ],
)
def test_labels_of_other_receivers_are_held_to_the_same_rules(labels) -> None:
    with pytest.raises(InputError):
        checked_labels(labels)
    with pytest.raises(InputError):
        labels_of(key_of(labels), WriteLimits())


def test_limits_of_labels_are_for_receivers_and_say_the_figure() -> None:
    with pytest.raises(TooLarge, match="has 5000 bytes, the limit is 4096"):
        labels_of(key_of(series("up", job="x" * 5000)), WriteLimits())


def test_fields_are_walked_with_their_places() -> None:
    message = b"\x08\x96\x01\x11" + bytes(8) + b"\x1a\x02ab\x25" + bytes(4)
    assert [(tag, start, end) for tag, _, start, end in fields(message, 0, len(message))] == [
        (8, 1, 3),
        (17, 4, 12),
        (26, 14, 16),
        (37, 17, 21),
    ]


def test_drops_are_logged_at_once_and_then_once_a_minute(caplog) -> None:
    now = [1000.0]
    tally = Tally(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for seconds, count in ((0, 1), (30, 2), (31, 4), (5, 8), (-500, 16)):
            now[0] += seconds
            tally.drop("late", count)
        tally.drop("late", 0)
    assert [record.getMessage() for record in caplog.records] == [
        "samples dropped reason=late count=1 total=1",
        "samples dropped reason=late count=6 total=7",
        "samples dropped reason=late count=24 total=31",
    ]
    assert set(tally.dropped) == set(REASONS)


def test_the_reading_of_pushed_samples_never_looks_at_a_clock_of_its_own() -> None:
    for path in Path(aiops.sources.push.__file__).parent.glob("_pushed_*.py"):
        assert "import time" not in path.read_text(), path.name
    assert T0 % 60_000 == 0


def test_known_numbers_are_asked_once_and_again_after_an_eviction() -> None:
    raws = table()
    rows = [(series("level", job=job), T0, 1.0) for job in "ab"]
    offered = replace(samples(*rows, rows[0]), known=KnownNumbers(np.full(8, UNKNOWN, np.int32)))
    assert raws.numbers_of(offered).tolist() == [0, 1, 0]
    unreadable = replace(offered, keys=[b"?"] * 3)
    assert raws.numbers_of(unreadable).tolist() == [0, 1, 0]
    touch(raws, [1], T0)
    assert raws.evict(T0 - 1, 0).tolist() == [0]
    assert raws.resolve(keys("level", "c")).tolist() == [0]
    assert raws.numbers_of(offered).tolist() == [2, 1, 2]


def test_a_number_that_is_used_again_is_not_given_to_the_series_that_had_it() -> None:
    raws = table(max_raw_series=2)
    reader = WriteReader(raws)
    a, b, c = (series("level", job=job) for job in "abc")

    def numbers(*labels) -> list[int]:
        return reader.read(encode([(one, [(T0, 1.0)]) for one in labels]), HEADERS).numbers.tolist()

    for _ in range(3):  # known, and known to follow one another
        assert numbers(b, a) == [0, 1]
    touch(raws, [0], 1000)
    touch(raws, [1], 500)
    assert raws.evict(1000, 0).tolist() == [1]
    assert numbers(b, c) == [0, 1]
    assert numbers(b, a) == [0, SERIES_LIMIT]
    assert numbers(b, c) == [0, 1]


def restored(raws: RawSeries, kept: frozenset[int] = frozenset(range(100)), **limits) -> RawSeries:
    """The same after a restart; the label sets of numbers in `kept` are kept by somebody else."""
    keys_of = [b"" if not raws._labels[n] else key_of(raws._labels_of(n)) for n in range(raws.width)]
    elsewhere = [key if number in kept else b"" for number, key in enumerate(keys_of)]
    state = unpack_arrays(pack_arrays(raws.snapshot(elsewhere)))
    fresh = table(**limits)
    fresh.restore(state, elsewhere)
    return fresh


WORDY = 0x78  # a field that no label has: the key is another one, the label set the same
STORIES = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=6)),
        st.tuples(st.just("go"), st.sampled_from("abcdefgh")),
        st.tuples(st.just("restart"), st.frozensets(st.integers(0, 5))),
    ),
    max_size=14,
)


@given(STORIES)
@settings(deadline=None)
def test_a_restart_changes_no_number_and_no_limit(story) -> None:
    limits = {"max_raw_series": 5, "max_label_values": 4, "max_label_bytes": 110}
    one, other = table(**limits), table(**limits)
    for at_ms, (what, given_) in enumerate(story, 1000):
        if what == "come":
            told = [key_of(series("level", job=job)) + bytes([WORDY, 1]) * wordy for job, wordy in given_]
            numbers = one.resolve(told)
            assert other.resolve(told).tolist() == numbers.tolist()
            for raws in (one, other):
                touch(raws, numbers[numbers >= 0], at_ms)
        elif what == "go":
            gone = one.resolve(keys("level", given_))
            assert other.resolve(keys("level", given_)).tolist() == gone.tolist()
            for raws in (one, other):
                raws.fresh()  # a source adds what is new before it lets go
                touch(raws, np.arange(raws.width), at_ms)
                touch(raws, gone[gone >= 0], 1)
            assert one.evict(at_ms, 0).tolist() == other.evict(at_ms, 0).tolist()
        else:
            other = restored(other, given_, **limits)
        assert (len(one), one.width, one._values, one._held_bytes) == (
            len(other),
            other.width,
            other._values,
            other._held_bytes,
        )
        assert [number for number, _ in one._fresh] == [number for number, _ in other._fresh]


def test_after_a_restart_a_call_is_seen_and_a_label_set_too_long_for_the_index_known() -> None:
    raws = RawSeries(Watchlist([PACK]), SeriesLimits(max_label_bytes=1 << 20))
    call = key_of(series("calls_total", client="cart", server="db", note="x" * 5000))
    assert raws.resolve([call]).tolist() == [0]
    touch(raws, [0], 1000)
    again = RawSeries(Watchlist([PACK]), SeriesLimits(max_label_bytes=1 << 20))
    again.restore(raws.snapshot([b""]), [b""])
    assert again.edges(0) == raws.edges(0) != []
    assert again.resolve([call]).tolist() == [0]
    assert len(again) == 1
