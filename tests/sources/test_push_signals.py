"""Signals of pushed samples against a slow and obvious calculation of the same."""

import math
import random
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from aiops.model import Signal
from aiops.packs._recipe import Matcher, Pack, Recipe, Selector
from aiops.packs.keys import series_key
from aiops.sources import _pushed_cells as kernels
from tests.sources._push_wall import T0, Wall, read, samples, series, source_at, values

STEP = 60_000
WINDOW = 4 * STEP
LOOKBACK = 300_000
ERRORS = (Matcher("code", "=~", "5.."),)


def recipe(form: str, of: str, to: str = "", kind: str = "traffic", **more) -> Recipe:
    signal = Signal(f"{form}_{more.get('agg', '')}_{of}", kind, min_traffic=more.pop("min_traffic", 0.0))  # type: ignore[arg-type]
    return Recipe("t", signal, form, Selector(of, more.pop("only", ())), Selector(to) if to else None, ("job",), **more)  # type: ignore[arg-type]


RECIPES = (
    recipe("rate", "hits", scale=0.5),
    recipe("rate", "sums", peer=("peer",)),
    recipe("ratio", "hits", "hits", only=ERRORS, by=("path",)),
    recipe("mean", "sums", "hits", min_traffic=2.0),
    recipe("quantile", "buckets", q=0.9, min_traffic=1.0, scale=1000.0),
    recipe("gauge", "depth", by=("path",)),
    recipe("gauge", "depth", agg="max"),
    recipe("gauge", "depth", agg="min"),
    recipe("gauge", "depth", agg="avg"),
    recipe("level_ratio", "depth", "room"),
)

Rows = dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]


def counter(rng: random.Random, steps: int) -> list[tuple[int, float]]:
    """Scrapes every 15-25 s with gaps, resets and a NaN now and then."""
    rows, time, value = [], T0 + rng.randrange(STEP), rng.choice([0.0, 50.0])
    while time < T0 + steps * STEP:
        rows.append((time, math.nan if rng.random() < 0.02 else value))
        time += rng.randrange(15_000, 25_000) * rng.choice([1] * 12 + [9, 30])
        value += rng.choice([0.0, 1.0, 30.0 * rng.random()])
        value *= rng.choice([1.0] * 17 + [0.0, 0.5, 0.95])
    return rows


def raw_samples(seed: int, steps: int) -> Rows:
    rng = random.Random(seed)
    rows: Rows = {}
    for job in ("a", "b"):
        for path in ("/x", "/y"):
            for code in ("200", "500", "503"):
                labels = {"job": job, "path": path, "code": code}
                rows[series("hits", **labels)] = counter(rng, steps)
                rows[series("sums", **labels, peer=rng.choice(["c", "d"]))] = counter(rng, steps)
            for le in ("0.1", "0.5", "1", "1.0", "2.5", "+Inf", "x"):
                rows[series("buckets", job=job, path=path, le=le)] = counter(rng, steps)
            for name in ("depth", "room"):
                rows[series(name, job=job, path=path)] = [(t, v or 3.0) for t, v in counter(rng, steps)]
    return rows


def slow_rate(rows: list[tuple[int, float]], tick: int) -> float:
    """`extrapolatedRate` of Prometheus but for corrections, over samples in (tick - window, tick]."""
    inside = [(t, v) for t, v in rows if tick - WINDOW < t <= tick and not math.isnan(v)]
    if len(inside) < 2:
        return math.nan
    growth = inside[-1][1] - inside[0][1]
    growth += sum(a for (_, a), (_, b) in pairwise(inside) if b < min(a, 0.9 * a))  # less was corrected, not reset
    growth = max(growth, 0.0)
    sampled = (inside[-1][0] - inside[0][0]) / 1000
    average = sampled / (len(inside) - 1)
    to_start, to_end = (inside[0][0] - tick + WINDOW) / 1000, (tick - inside[-1][0]) / 1000
    to_start = average / 2 if to_start >= 1.1 * average else to_start
    if growth > 0 and inside[0][1] >= 0:
        to_start = min(to_start, sampled * inside[0][1] / growth)
    to_end = average / 2 if to_end >= 1.1 * average else to_end
    return growth * (sampled + to_start + to_end) / sampled / (WINDOW / 1000)


def slow_level(rows: list[tuple[int, float]], tick: int) -> float:
    before = [(t, v) for t, v in rows if t <= tick]
    return before[-1][1] if before and before[-1][0] > tick - LOOKBACK else math.nan


def slow_quantile(q: float, buckets: dict[float, float]) -> float:
    """`histogram_quantile` as its documentation tells it."""
    if len(buckets) < 2 or math.inf not in buckets:
        return math.nan
    bounds = sorted(buckets)
    counts = [max(buckets[b] for b in bounds[: i + 1]) for i in range(len(bounds))]
    if counts[-1] <= 0:
        return math.nan
    rank = q * counts[-1]
    i = next(i for i in range(len(bounds)) if counts[i] >= rank)
    if bounds[i] == math.inf:
        return bounds[-2]
    if i == 0:
        return bounds[0] if bounds[0] <= 0 else bounds[0] * rank / counts[0]
    return bounds[i - 1] + (bounds[i] - bounds[i - 1]) * (rank - counts[i - 1]) / (counts[i] - counts[i - 1])


JOIN = {"sum": sum, "max": max, "min": min, "avg": lambda xs: sum(xs) / len(xs)}


def slow_signal(one: Recipe, of: dict, to: dict) -> float:
    if one.form == "quantile":
        q = slow_quantile(one.q, {float(le): sum(xs) for le, xs in of.items()})
        return math.nan if sum(of.get("+Inf", [])) < one.signal.min_traffic else q
    how = JOIN[one.agg if one.form in ("gauge", "level_ratio") else "sum"]
    above = how(of[""]) if of.get("") else math.nan
    if one.to is None:
        return above
    below = how(to[""]) if to.get("") else math.nan
    if not below > 0 or below < one.signal.min_traffic:
        return math.nan
    return (0.0 if math.isnan(above) and one.form == "ratio" else above) / below


def slow_values(rows: Rows, steps: int) -> dict[tuple[str, int], float]:
    found = {}
    for one in RECIPES:
        level = one.form in ("gauge", "level_ratio")
        for k in range(steps):
            sides: dict = defaultdict(lambda: ({}, {}))
            for labels, pairs in rows.items():
                named = dict(labels)
                value = (slow_level if level else slow_rate)(pairs, T0 + k * STEP)
                for side, selector in enumerate((one.of, one.to)):
                    if selector is None or not selector.accepts(named) or math.isnan(value) or named.get("le") == "x":
                        continue
                    le = named["le"] if one.form == "quantile" else ""
                    le = "1" if le == "1.0" else le
                    sides[str(series_key(one, named))][side].setdefault(le, []).append(value)
            for key, (of, to) in sides.items():
                value = slow_signal(one, of, to) * one.scale
                if not math.isnan(value):
                    found[key, k] = value
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_forms_equal_the_slow_calculation(seed: int) -> None:
    steps = 40
    rows = raw_samples(seed, steps)
    wall = Wall(T0 + (steps + 8) * STEP)
    source = source_at(wall, Pack("t", "t", (), RECIPES), settle_s=0.0, lateness_s=60.0)
    flat = sorted(((t, labels, v) for labels, pairs in rows.items() for t, v in pairs), key=lambda row: row[0])
    # In bodies of a few hundred samples, so that ticks close in chunks of many sizes and state is carried over.
    bodies = [flat[i : i + 300] for i in range(0, len(flat), 300)]
    wall.script = [lambda b=b: source.offer(samples(*[(labels, t, v) for t, labels, v in b])) for b in bodies]
    wall.script.append(None)
    got = {cell: v for cell, v in values(source, read(source)).items() if 0 <= cell[1] < steps}
    wanted = slow_values(rows, steps)
    assert len(wanted) > 500
    assert got.keys() == wanted.keys()
    for cell, value in wanted.items():
        assert got[cell] == pytest.approx(value, rel=1e-9, abs=1e-12), cell
    assert source.health.dropped["late"] == 0


def pushed(flat, size: int) -> dict[tuple[str, int], float]:
    wall = Wall(T0 + 40 * STEP)
    source = source_at(wall, Pack("t", "t", (), RECIPES), settle_s=0.0)
    parts = [flat[i : i + size] for i in range(0, len(flat), size)]
    wall.script = [lambda p=p: source.offer(samples(*[(labels, t, v) for t, labels, v in p])) for p in parts]
    wall.script.append(None)
    return values(source, read(source))


def test_the_length_of_a_chunk_changes_no_value() -> None:
    rows = raw_samples(4, 30)
    flat = sorted(((t, labels, v) for labels, pairs in rows.items() for t, v in pairs), key=lambda row: row[0])
    assert pushed(flat, 40) == pushed(flat, 100_000)


def test_the_arrival_order_of_series_changes_no_value_beyond_rounding() -> None:
    rows = raw_samples(5, 12)
    flat = [(labels, t, v) for labels, pairs in rows.items() for t, v in pairs]
    results = []
    for order in (flat, flat[::-1]):
        wall = Wall(T0 + 20 * STEP, [None])
        source = source_at(wall, Pack("t", "t", (), RECIPES))
        source.offer(samples(*order))
        results.append(values(source, read(source)))
    assert results[0].keys() == results[1].keys()
    assert all(results[1][cell] == pytest.approx(value) for cell, value in results[0].items())


def test_an_error_ratio_without_an_error_series_is_zero() -> None:
    wall = Wall(T0 + 6 * STEP, [None])
    ratio = recipe("ratio", "hits", "hits", only=ERRORS)
    source = source_at(wall, Pack("t", "t", (), (ratio,)))
    hits = series("hits", job="a", code="200")
    source.offer(samples(*[(hits, T0 + i * STEP, float(i)) for i in range(4)]))
    assert values(source, read(source))["a|ratio__hits", 2] == 0.0


def test_an_overflow_is_missing_and_no_infinity() -> None:
    wall = Wall(T0 + 6 * STEP, [None])
    both = (recipe("gauge", "depth"), recipe("level_ratio", "depth", "room"))
    source = source_at(wall, Pack("t", "t", (), both))
    rows = [(series("depth", job="a", path=p), T0, 1.5e308) for p in "xy"]
    rows.append((series("room", job="a"), T0, 1e-300))
    source.offer(samples(*rows))
    assert values(source, read(source)) == {}


def quantile(q: float, bounds: list[float], counts: list[float]) -> tuple[float, float]:
    out, totals = np.empty((1, 1)), np.empty((1, 1))
    starts = np.array([0, len(bounds)])
    kernels.quantiles(q, np.array([counts]), np.array(bounds), starts, out, totals)
    return float(out[0, 0]), float(totals[0, 0])


@pytest.mark.parametrize(
    ("bounds", "counts", "wanted"),
    [
        ([0.1, 0.2, math.inf], [2.0, 4.0, 4.0], 0.1),
        ([0.1, 0.2, math.inf], [1.0, 1.0, 4.0], 0.2),  # above the highest finite bound
        ([-1.0, 0.0, math.inf], [3.0, 4.0, 4.0], -1.0),  # a lowest bucket below 0 has no width
        ([0.1, 0.2, math.inf], [0.0, 0.0, 0.0], math.nan),
        ([0.1, 0.2], [1.0, 2.0], math.nan),
        ([math.inf], [2.0], math.nan),
        ([0.1, math.inf], [math.nan, 2.0], math.nan),
        ([0.1, math.inf], [2.0, math.nan], math.nan),
        ([0.1, 0.2, 0.4, math.inf], [4.0, 3.0, 8.0, 8.0], 0.1),  # torn: 3 counts as 4
        ([0.1, 0.2, 0.4, math.inf], [math.nan, 2.0, 8.0, 8.0], 0.2 + 0.2 * 2 / 6),
        ([], [], math.nan),
    ],
)
def test_quantiles_have_the_rules_of_prometheus(bounds, counts, wanted: float) -> None:
    assert quantile(0.5, bounds, counts)[0] == pytest.approx(wanted, nan_ok=True)
    there = {b: c for b, c in zip(bounds, counts, strict=True) if not math.isnan(c)}
    assert slow_quantile(0.5, there) == pytest.approx(wanted, nan_ok=True)


def test_quantiles_of_random_histograms_equal_the_slow_calculation() -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        bounds = [*np.sort(rng.normal(0.3, 0.5, rng.integers(1, 8))).tolist(), math.inf]
        counts = np.cumsum(rng.integers(0, 5, len(bounds))).astype(float)
        counts[rng.random(len(bounds)) < 0.15] = np.nan
        q = float(rng.uniform(0.01, 0.99))
        there = {b: c for b, c in zip(bounds, counts.tolist(), strict=True) if not math.isnan(c)}
        assert quantile(q, bounds, counts.tolist())[0] == pytest.approx(slow_quantile(q, there), nan_ok=True)
