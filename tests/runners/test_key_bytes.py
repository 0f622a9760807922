from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.model import SeriesKey
from aiops.runners._key_bytes import key_arrays, keys_from

WORDS = st.sampled_from(["", "cart", "db", "é"])
KEYS = st.builds(SeriesKey, WORDS, WORDS, WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple))


@given(st.lists(KEYS, max_size=8))
def test_the_keys_that_come_out_are_those_that_went_in(keys):
    assert keys_from(key_arrays(keys)) == keys


def test_equal_strings_are_one_object():
    one, other = keys_from(key_arrays([SeriesKey("p95", "cart", "", (("pod", "a"),)) for _ in range(2)]))
    assert one.service is other.service
    assert one.labels[0] is other.labels[0]


@pytest.mark.parametrize("damage", [{"counts": np.array([2])}, {"labels": np.array([7])}, {"fixed": np.zeros((0, 3))}])
def test_damaged_arrays_are_refused(damage):
    arrays = key_arrays([SeriesKey("p95", "cart", "", (("pod", "a"),))])
    with pytest.raises((LookupError, ValueError)):
        keys_from(arrays | damage)
