"""Error ratios whose requests are counted: what chance does is not told, what it cannot do is."""

from dataclasses import replace

import numpy as np
import pytest

from aiops._shares import Shares
from aiops.detection import Detection
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable

STEP_MS = 30_000
DAY_ROWS = 2_880
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
ERRORS = Signal("error_ratio", "errors", "ratio", "up", pages=True, min_absolute=0.01, min_relative=0.5)
REQUESTS = Signal("requests_rate", "traffic", "req/s", "down")


def traffic(per_s, usual, days, outage=(0, 0), seed=1):
    """Ratio of failures, requests per second, over four rows each; in the outage three of ten requests fail."""
    rng, rows = np.random.default_rng(seed), days * DAY_ROWS
    chance = np.full(rows, usual)
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


def test_an_outage_that_chance_cannot_explain_pages():
    start = 5 * DAY_ROWS + 100
    for seed in range(4):
        values = traffic(2.0, 0.05, 6, (start, start + 40), seed)
        assert any(START_MS + STEP_MS * start <= a.started_ms for a in paged(values)), seed


def test_a_share_has_an_upper_edge_below_one():
    start = 5 * DAY_ROWS + 100
    for anomaly in paged(traffic(2.0, 0.01, 6, (start, start + 40))):
        assert 0.01 < anomaly.upper < 0.2


def shares_of(*series):
    table = SeriesTable()
    for key, signal in series:
        table.add(key, signal)
    shares = Shares(table, 30.0)
    shares.grow(1)
    shares.grow(len(table))
    return shares


def judged(shares, rarity, values, expected=0.001):
    rarity, values = np.array([rarity], float), np.array([values], float)
    upper = np.full(rarity.shape, 5.0)
    shares.judge(rarity, values, np.full(rarity.shape, expected), upper)
    return rarity[0].tolist(), upper[0].tolist()


CART = ((SeriesKey("error_ratio", "cart"), ERRORS), (SeriesKey("requests_rate", "cart"), REQUESTS))


def test_rarity_is_that_of_chance_or_the_banks_and_one_more():
    shares = shares_of(*CART)
    rarity, upper = judged(shares, [1.0, 0.3], [0.5, 10.0])  # 600 of 1,200
    assert rarity == [2.0, 0.3]
    assert 0.01 < upper[0] < 0.03
    assert upper[1] == 5.0
    rarity, _ = judged(shares, [3.0, 0.3], [1 / 12, 0.1])  # one of twelve
    assert rarity[0] == pytest.approx(0.55 - 3.46, abs=0.02)


@pytest.mark.parametrize(
    ("rarity", "values"), [([-1.1, 0.0], [0.5, 10.0]), ([2.0, 0.0], [0.5, np.nan]), ([np.nan, 0.0], [0.5, 10.0])]
)
def test_what_is_ordinary_or_not_known_stays_as_it_is(rarity, values):
    said, upper = judged(shares_of(*CART), rarity, values)
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
    n = len(series)
    assert judged(shares_of(*series), [1.0] * n, [0.5] * n)[0] == [1.0] * n
