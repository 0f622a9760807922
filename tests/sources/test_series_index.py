"""The index of fingerprints against a dictionary, and fingerprints against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.sources._fingerprint import (
    MOST_BYTES,
    SLACK_BYTES,
    fingerprint,
    fingerprint_of_list,
    fingerprint_slowly,
    new_key,
)
from aiops.sources._series_index import UNKNOWN, SeriesIndex

KEY = new_key()


def of(block: bytes, around: bytes = b"") -> tuple[int, int]:
    buf = np.frombuffer(around + block + b"\xa5" * SLACK_BYTES, np.uint8)
    low, high = fingerprint(buf, len(around), len(block), KEY)
    return int(low), int(high)


@pytest.mark.parametrize("size", [*range(70), 255, 350, MOST_BYTES - 1, MOST_BYTES])
def test_a_fingerprint_is_what_its_definition_says_wherever_it_lies(size: int) -> None:
    block = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    assert of(block) == of(block, b"xyz") == fingerprint_slowly(block, KEY)


def test_fingerprints_tell_apart_what_differs_in_a_bit_or_in_length() -> None:
    block = bytes(range(1, 41))
    twins = {of(block[:n]) for n in range(41)} | {of(b"\0" * n) for n in range(1, 41)}
    for place in range(40):
        for bit in range(8):
            changed = bytearray(block)
            changed[place] ^= 1 << bit
            twins.add(of(bytes(changed)))
    assert len(twins) == 41 + 40 + 320


def test_other_keys_give_other_fingerprints() -> None:
    buf = np.zeros(32, np.uint8)
    assert len({int(half) for _ in range(8) for half in fingerprint(buf, 0, 16, new_key())}) == 16


def test_a_list_has_a_fingerprint_of_its_order_and_length() -> None:
    prints = np.array([of(b"a"), of(b"b"), of(b"c")], np.uint64)
    lists = [[0], [0, 1], [1, 0], [0, 1, 2], [0, 1, 1], [2]]
    found = {tuple(map(int, fingerprint_of_list(prints, np.array(one), len(one), KEY))) for one in lists}
    assert len(found) == len(lists)


def keys_of(numbers: list[int]) -> list[bytes]:
    return [b"label set %d" % number for number in numbers]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 400), max_size=60)),
        st.tuples(st.just("remove"), st.integers(1, 7)),
    ),
    max_size=12,
)


def added(index: SeriesIndex, numbers: list[int]) -> int:
    """Put the keys of these numbers in; how many were new."""
    keys = keys_of(numbers)
    sizes = np.array([len(key) for key in keys], np.int32)
    return index.add(index.find_all(keys)[1], sizes, np.array(numbers, np.int32))


@given(steps)
@settings(deadline=None, max_examples=60)
def test_an_index_is_a_dictionary_whatever_is_added_and_removed(steps) -> None:
    index, twin = SeriesIndex(KEY), {}
    for what, given_ in steps:
        if what == "add":
            assert added(index, given_) == len(set(given_) - twin.keys())
            twin |= {number: number for number in given_}
        else:
            index.remove(index.numbers() % given_ == 0)
            twin = {number: number for number in twin if number % given_}
        everything = list(range(401))
        found, _ = index.find_all(keys_of(everything))
        assert found.tolist() == [twin.get(number, UNKNOWN) for number in everything]
        assert len(index) == len(twin)
        assert sorted(index.numbers_in_use().tolist()) == sorted(twin)


def test_an_index_grows_and_uses_entries_again() -> None:
    index = SeriesIndex(KEY)
    everything = list(range(5000))
    assert added(index, everything) == 5000
    assert index.find_all(keys_of(everything))[0].tolist() == everything
    size = index.nbytes
    for _ in range(5):
        index.remove(index.numbers() < 2500)
        assert len(index) == 2500
        assert added(index, everything[:2500]) == 2500
    assert index.nbytes == size
    assert index.find_all(keys_of(everything))[0].tolist() == everything


def test_a_label_set_that_is_too_long_is_never_known() -> None:
    index = SeriesIndex(KEY)
    found, prints = index.find_all([b"x" * (MOST_BYTES + 1), b"x" * MOST_BYTES])
    assert found.tolist() == [UNKNOWN, UNKNOWN]
    assert prints[0].tolist() == [0, 0]
    assert prints[1].all()
