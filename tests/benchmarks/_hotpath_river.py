"""River on the same samples, one object per series as it is used, against the banks: CPU per sample, end to end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from detectors import Bank, Light
from tests.benchmarks._table import Row, at_least

SERIES, TICKS, WARM = 10_000, 60, 60
STEP_MS = 15_000
GOALS = {"EW z-score": 3.0, "StandardScaler and P2 quantile": 10.0, "half-space trees": 300.0}


def rows() -> list[Row]:
    """Measure; without river only a row that says so."""
    if find_spec("river") is None:
        return [Row("river", "is not installed: pip install river")]
    values = np.random.default_rng(0).standard_normal((WARM + TICKS, SERIES)) + 100.0
    ours = {
        "light bank, update": _ours(Light(SERIES, 15.0).update, values),
        "full bank, update": _ours(Bank(SERIES, 15.0).update, values),
    }
    ours |= {"light bank, tick": _ticks_ns(values)}
    found = [Row(f"river: our {name}", ns, "ns/sample") for name, ns in ours.items()]
    for name, make in (("EW z-score", _z_score), ("StandardScaler and P2 quantile", _p2), ("half-space trees", _trees)):
        theirs = _theirs(make, values[:, : 10 if name == "half-space trees" else SERIES])
        found.append(Row(f"river: {name}", theirs, "ns/sample"))
        found.append(at_least(f"river: {name} against light.tick", theirs / ours["light bank, tick"], "x", GOALS[name]))
        found.append(Row(f"river: {name} against the full bank", theirs / ours["full bank, update"], "x"))
    return found


def _ours(update: Callable[[np.ndarray, np.ndarray], object], values: np.ndarray) -> float:
    times = np.arange(1, len(values) + 1) * STEP_MS
    update(times[:WARM], values[:WARM])
    began = time.process_time()
    for row in range(WARM, len(values)):
        update(times[row : row + 1], values[row : row + 1])
    return (time.process_time() - began) / (TICKS * SERIES) * 1e9


def _ticks_ns(values: np.ndarray) -> float:
    light, narrow = Light(SERIES, 15.0), values.astype(np.float32)
    for row in range(WARM):
        light.tick((row + 1) * STEP_MS, narrow[row])
    began = time.process_time()
    for row in range(WARM, len(values)):
        light.tick((row + 1) * STEP_MS, narrow[row])
    return (time.process_time() - began) / (TICKS * SERIES) * 1e9


def _theirs(make: Callable[[], Callable[[float], float]], values: np.ndarray) -> float:
    score = [make() for _ in range(values.shape[1])]
    for row in values[:WARM].tolist():
        for one, value in zip(score, row, strict=True):
            one(value)
    began = time.process_time()
    for row in values[WARM:].tolist():
        for one, value in zip(score, row, strict=True):
            one(value)
    return (time.process_time() - began) / (TICKS * values.shape[1]) * 1e9


def _z_score() -> Callable[[float], float]:
    from river import stats

    mean, var = stats.EWMean(0.03), stats.EWVar(0.03)

    def score(value: float) -> float:
        spread = var.get() or 0.0
        z = abs(value - mean.get()) / math.sqrt(spread) if spread > 0.0 else 0.0
        mean.update(value)
        var.update(value)
        return z

    return score


def _p2() -> Callable[[float], float]:
    from river import preprocessing, stats

    scaler, quantile = preprocessing.StandardScaler(), stats.Quantile(0.999)

    def score(value: float) -> float:
        x = {"x": value}
        scaler.learn_one(x)
        z = abs(scaler.transform_one(x)["x"])
        over = z - (quantile.get() or 0.0)
        quantile.update(z)
        return over

    return score


def _trees() -> Callable[[float], float]:
    from river import anomaly

    trees = anomaly.HalfSpaceTrees(seed=0)

    def score(value: float) -> float:
        x = {"x": value / 200.0}
        odd = trees.score_one(x)
        trees.learn_one(x)
        return float(odd)

    return score
