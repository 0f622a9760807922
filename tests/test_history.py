import numpy as np

from aiops.history import History
from aiops.model import Block


def rows(first, values, ids=None):
    values = np.asarray(values, float)
    ids = np.arange(values.shape[1]) if ids is None else np.array(ids)
    return Block(np.arange(first, first + len(values)) * 1000, ids.astype(np.int32), values)


def test_the_latest_rows_are_kept_in_time_order():
    history = History(rows=4)
    history.append(rows(0, [[0], [1], [2]]))
    history.append(rows(3, [[3], [4], [5]]))
    times, values = history.window(-1, 10_000)
    assert times.tolist() == [2000, 3000, 4000, 5000]
    assert values[:, 0].tolist() == [2, 3, 4, 5]


def test_a_block_longer_than_the_ring_leaves_its_end():
    history = History(rows=3)
    history.append(rows(0, [[i] for i in range(10)]))
    assert history.window(-1, 10**9)[1][:, 0].tolist() == [7, 8, 9]


def test_the_window_is_open_below_and_closed_above():
    history = History(rows=8)
    history.append(rows(0, [[i] for i in range(8)]))
    assert history.window(2000, 4000)[0].tolist() == [3000, 4000]


def test_columns_that_a_block_lacks_and_values_out_of_range_are_missing():
    history = History(rows=8)
    history.append(rows(0, [[1.0, 2.0]]))
    history.append(rows(1, [[3.0, 1e300, np.inf]], ids=[0, 1, 2]))
    _, values = history.window(-1, 10**9)
    assert np.array_equal(values[:, :3], [[1, 2, np.nan], [3, np.nan, np.nan]], equal_nan=True)


def test_a_snapshot_brings_everything_back():
    history = History(rows=4)
    history.append(rows(0, [[i, -i] for i in range(6)]))
    again = History(rows=4)
    again.restore(history.snapshot())
    for one, other in zip(history.window(-1, 10**9), again.window(-1, 10**9), strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def test_series_that_come_one_by_one_are_kept_like_those_that_come_together():
    values = np.random.default_rng(0).standard_normal((90, 60))
    growing, whole = History(rows=40), History(rows=40)
    for row in range(90):
        here = np.arange(1 + row * 59 // 89)[::-1]  # in any order
        growing.append(rows(row, values[[row]][:, here], ids=here))
        whole.append(rows(row, np.where(np.arange(60) < len(here), values[[row]], np.nan)))
    growing.forget([3, 40, 59, 99])
    whole.forget([3, 40, 59])
    (times, grown), (other, kept) = growing.window(-1, 10**9), whole.window(-1, 10**9)
    assert times.tolist() == other.tolist()
    assert np.array_equal(grown[:, :60], kept, equal_nan=True)
    assert grown.shape[1] <= 75
    assert np.isnan(grown[:, 60:]).all()
    again = History(rows=40)
    again.restore(growing.snapshot())
    assert np.array_equal(again.window(-1, 10**9)[1], grown, equal_nan=True)
