"""Error ratios whose requests are counted: what chance does is not told, what it cannot do is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from aiops.detection.machine import Detection
from aiops.detection.shares import Shares
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable

STEP_MS = 30_000
DAY_ROWS = 2_880
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
ERRORS = Signal("error_ratio", "errors", "ratio", "up", pages=True, min_absolute=0.01, min_relative=0.5)
REQUESTS = Signal("requests_rate", "traffic", "req/s", "down")


def traffic(per_s, usual, days, outage=(0, 0), seed=1, *, wander=0.0):
    """Ratio of failures, requests per second, over four rows each; in the outage three of ten requests fail.

    With `wander` the chance to fail goes up and down by that power of e within half an hour.
    """
    rng, rows = np.random.default_rng(seed), days * DAY_ROWS
    slow = lfilter([np.sqrt(1 - 0.983**2)], [1.0, -0.983], rng.standard_normal(rows))
    chance = np.minimum(usual * np.exp(wander * slow), 0.9)
    chance[slice(*outage)] = 0.3
    requests = rng.poisson(per_s * 30, rows)
    failures = rng.binomial(requests, chance)
    counted, failed = (np.convolve(x, np.ones(4))[:rows] for x in (requests, failures))
    return np.column_stack([np.where(counted > 0, failed / np.maximum(counted, 1), np.nan), counted / 120.0])


def paged(values, *, counted=True, errors=ERRORS):
    table = SeriesTable()
    table.add(SeriesKey("error_ratio", "cart"), errors)
    table.add(SeriesKey("requests_rate", "cart" if counted else "db"), REQUESTS)
    times = START_MS + STEP_MS * np.arange(len(values))
    found = Detection(table, 30.0).feed(Block(times, np.arange(2, dtype=np.int32), values))
    return {a.id: a for a in found if a.pages}.values()


def test_single_failures_of_a_quiet_service_page_nobody():
    values = [traffic(0.15, 0.001, 6, seed=seed) for seed in range(6)]
    assert sum(len(paged(v, counted=False)) for v in values) > 0
    assert sum(len(paged(v)) for v in values) == 0


@pytest.mark.parametrize(("per_s", "usual"), [(0.2, 0.01), (0.5, 0.02), (1.0, 0.02), (1.0, 0.05), (2.0, 0.05)])
def test_an_outage_that_chance_cannot_explain_pages(per_s, usual):
    start = 3 * DAY_ROWS + 100
    for seed in range(3):
        values = traffic(per_s, usual, 4, (start, start + 40), seed)
        assert [a.started_ms >= START_MS + STEP_MS * start for a in paged(values)] == [True], seed


def test_a_ratio_that_wanders_by_itself_is_not_taken_for_one_that_chance_alone_moves():
    wandering, steady = (
        [traffic(20.0, 0.02, 8, seed=seed, wander=wander)[:, 0] for seed in range(4)] for wander in (0.7, 0.0)
    )
    assert np.mean([v.max() for v in wandering]) > 3 * np.mean([v.max() for v in steady])
    found = [paged(traffic(20.0, 0.02, 8, seed=seed, wander=0.7)) for seed in range(4)]
    assert sum(map(len, found)) <= 2  # the promise for 32 days is one


def test_a_share_has_an_upper_edge_below_one():
    start = 5 * DAY_ROWS + 100
    found = paged(traffic(2.0, 0.01, 6, (start, start + 40)))
    assert found
    assert all(0.01 < anomaly.upper < 0.2 for anomaly in found)


def shares_of(*series):
    table = SeriesTable()
    for key, signal in series:
        table.add(key, signal)
    shares = Shares(table, 30.0)
    shares.grow(1)
    shares.grow(len(table))
    return shares


def judged(shares, rarity, values, *, frozen=False):
    rarity, values = np.array([rarity], float), np.array([values], float)
    upper = np.full(rarity.shape, 5.0)
    shares.judge(rarity, values, upper, np.full(rarity.shape[1], frozen))
    return rarity[0].tolist(), upper[0].tolist()


CART = ((SeriesKey("error_ratio", "cart"), ERRORS), (SeriesKey("requests_rate", "cart"), REQUESTS))


def known(share=0.001, per_s=10.0, rows=3_000):
    """Shares that have seen about a day of this."""
    shares = shares_of(*CART)
    for _ in range(rows):
        judged(shares, [0.0, 0.0], [share, per_s])
    return shares


def test_what_chance_does_is_as_rare_as_chance_and_no_more():
    rarity, _ = judged(known(), [3.0, 0.3], [1 / 12, 0.1])  # one of twelve
    assert rarity[0] == pytest.approx(0.55 - 3.46, abs=0.02)
    assert rarity[1] == 0.3


def test_what_neither_chance_nor_the_past_explains_is_rare_whatever_the_bank_says():
    for bank in (-4.0, 0.0, 1.0):
        rarity, upper = judged(known(), [bank, 0.3], [0.3, 1.0])  # 36 of 120
        assert rarity[0] > 2.0
        assert rarity[1] == 0.3
        assert 0.01 < upper[0] < 0.3
        assert upper[1] == 5.0


def test_a_little_more_row_after_row_is_rare_in_the_end():
    shares = known(0.005, 1.0)
    said = [judged(shares, [-1.0, 0.0], [0.08, 1.0])[0][0] for _ in range(30)]
    assert said[0] < 0.5
    assert max(said) > 1.5


def test_what_is_frozen_teaches_nothing():
    shares, plain = known(), known()
    for _ in range(50):
        judged(shares, [0.0, 0.0], [0.9, 10.0], frozen=True)
    assert judged(shares, [0.0, 0.0], [0.05, 10.0]) == judged(plain, [0.0, 0.0], [0.05, 10.0])


def test_a_restart_changes_no_verdict():
    values = traffic(1.0, 0.02, 4, (3 * DAY_ROWS, 3 * DAY_ROWS + 40))
    times = START_MS + STEP_MS * np.arange(len(values))

    def made():
        table = SeriesTable()
        for key, signal in CART:
            table.add(key, signal)
        return Detection(table, 30.0)

    ids, cut = np.arange(2, dtype=np.int32), 3 * DAY_ROWS - 7
    whole = made()
    whole.learn(Block(times[:cut], ids, values[:cut]))
    again = made()
    again.restore(whole.snapshot())
    rest = Block(times[cut:], ids, values[cut:])
    found = whole.feed(rest)
    assert found
    assert again.feed(rest) == found


def test_the_memory_goes_with_its_series_when_others_are_let_go():
    gone = (SeriesKey("cpu", "old"), replace(ERRORS, kind="saturation"))
    table = SeriesTable()
    for key, signal in (gone, *CART):
        table.add(key, signal)
    whole, values = Detection(table, 30.0), traffic(1.0, 0.02, 1)[:500]
    times = START_MS + STEP_MS * np.arange(len(values))
    whole.learn(Block(times, np.array([1, 2], np.int32), values))
    before = whole.snapshot()["shares.ratios"]
    whole.forget([0])
    table.ask([0])
    table.unname()
    after = whole.snapshot()["shares.ratios"]
    assert before[0, 0] == 1.0
    np.testing.assert_array_equal(after, [[0.0, *before[0, 1:]]])
    whole.forget([1])
    assert whole.ensemble._shares.to_arrays(np.arange(3))["ratios"].shape == (0, before.shape[1])


def test_a_snapshot_of_before_begins_anew_and_a_foreign_one_is_refused():
    shares = shares_of(*CART)
    shares.from_arrays({})
    shares.grow(2)
    assert judged(shares, [1.0, 0.0], [0.001, 10.0])[0][0] < -3.0
    with pytest.raises(ValueError, match="ratios must be"):
        shares.from_arrays({"ratios": np.zeros((1, 3))})


def test_rows_cut_anywhere_are_judged_the_same():
    values = traffic(1.0, 0.02, 1)[:400]
    bank = np.random.default_rng(3).normal(0.0, 1.0, values.shape)
    whole, pieces = shares_of(*CART), shares_of(*CART)
    rarity, upper = bank.copy(), np.ones_like(bank)
    whole.judge(rarity, values, upper, np.zeros(2, bool))
    for i in range(400):
        one, edge = bank[i : i + 1].copy(), np.ones((1, 2))
        pieces.judge(one, values[i : i + 1], edge, np.zeros(2, bool))
        np.testing.assert_array_equal([one[0], edge[0]], [rarity[i], upper[i]])


@pytest.mark.parametrize(
    ("rarity", "values"),
    [
        ([-3.0, 0.0], [0.001, 10.0]),
        ([2.0, 0.0], [0.5, np.nan]),
        ([2.0, 0.0], [0.5, 0.0]),
        ([2.0, 0.0], [np.inf, 10.0]),
        ([np.nan, 0.0], [0.5, 10.0]),
    ],
)
def test_what_is_ordinary_or_not_known_stays_as_it_is(rarity, values):
    said, upper = judged(known(), rarity, values)
    np.testing.assert_array_equal(said, rarity)
    assert upper == [5.0, 5.0]


@pytest.mark.parametrize(
    "series",
    [
        CART[:1],
        (CART[0], (SeriesKey("requests_rate", "cart", "db"), REQUESTS)),
        (CART[0], (SeriesKey("bytes_rate", "cart"), replace(REQUESTS, unit="bytes/s"))),
        ((SeriesKey("cpu", "cart"), replace(ERRORS, kind="saturation")), CART[1]),
        ((SeriesKey("kills", "cart"), replace(ERRORS, unit="kills/min")), CART[1]),
    ],
)
def test_only_error_ratios_with_their_own_requests_are_judged(series):
    n, shares = len(series), shares_of(*series)
    for _ in range(20):
        assert judged(shares, [1.0] * n, [0.5] * n)[0] == [1.0] * n
