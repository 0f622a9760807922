"""Mahalanobis distance of the signals of one service from where they usually stand together.

Mean and covariance are learnt online; the distance is that of the standardised values in the correlation's own
coordinates, so that two signals that always move together and part are odd though neither is. A little is added to the
diagonal of the correlation: directions in which the service hardly ever moves would otherwise shout over all others.

Limits: work per row grows with the square of the number of signals, memory too. Meant for tens of signals.

References
----------
[1] P. C. Mahalanobis (1936), On the generalised distance in statistics.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from detectors._base import F64, State

RATE = 1e-4  # memory of ten thousand rows; start-safe by 1/rows
RIDGE = 0.01  # added to the diagonal of the correlation
WARM_ROWS = 200.0  # no opinion before
REFRESH_ROWS = 50  # rows between two factorisations
SMOOTH = 0.3  # share of the newest row: incidents last
FLOOR = 1e-6  # smallest deviation that counts, as a share of the mean


class Cloud(NamedTuple):
    """Memory: rows seen, smoothed distance, mean (c,), covariance (c, c), its factor and deviations (c,)."""

    counts: F64  # rows, smoothed distance
    mean: F64
    covariance: F64
    factor: F64  # lower Cholesky factor of the correlation + RIDGE
    deviation: F64


def empty_cloud(channels: int) -> Cloud:
    """Memory of a service nobody has seen."""
    c = channels
    return Cloud(np.zeros(2), np.zeros(c), np.zeros((c, c)), np.zeros((c, c)), np.zeros(c))


def cloud_from(state: State, channels: int) -> Cloud:
    """Memory from the arrays of a snapshot. Raises ValueError when a shape is not ours."""
    for name, wanted in zip(Cloud._fields, empty_cloud(channels), strict=True):
        if name not in state or state[name].shape != wanted.shape:
            raise ValueError(f"snapshot {name} must be {wanted.shape}")
    return Cloud(*(state[name].astype(np.float64) for name in Cloud._fields))


@njit(cache=True, error_model="numpy")
def _factorise(cloud: Cloud) -> None:
    c = len(cloud.mean)
    for p in range(c):
        cloud.deviation[p] = math.sqrt(cloud.covariance[p, p]) + FLOOR * abs(cloud.mean[p]) + 1e-18
    for p in range(c):
        for q in range(p + 1):
            rest = cloud.covariance[p, q] / cloud.deviation[p] / cloud.deviation[q]
            if p == q:
                rest += RIDGE
            for k in range(q):
                rest -= cloud.factor[p, k] * cloud.factor[q, k]
            cloud.factor[p, q] = math.sqrt(max(rest, RIDGE)) if p == q else rest / cloud.factor[q, q]


@njit(cache=True, error_model="numpy")
def _distance(cloud: Cloud, delta: F64, solved: F64) -> float:
    """Mean square of the coordinates of `delta`; `solved` is room for them."""
    total = 0.0
    for p in range(len(delta)):
        rest = delta[p] / cloud.deviation[p]
        for k in range(p):
            rest -= cloud.factor[p, k] * solved[k]
        solved[p] = rest / cloud.factor[p, p]
        total += solved[p] * solved[p]
    return total / len(delta)


@njit(cache=True, error_model="numpy")
def _learn(cloud: Cloud, x: F64, delta: F64, rate: float) -> None:
    for p in range(len(x)):
        if math.isfinite(x[p]):
            cloud.mean[p] += rate * delta[p]
            for q in range(len(x)):
                if math.isfinite(x[q]):
                    product = (1.0 - rate) * delta[p] * delta[q]
                    cloud.covariance[p, q] += rate * (product - cloud.covariance[p, q])


@njit(cache=True, error_model="numpy")
def distances(cloud: Cloud, values: F64, out: F64) -> None:
    """Score rows into `out`, then learn them: smoothed mean square distance, about 1 on ordinary rows.

    Parameters
    ----------
    values : (t, c), finite values below 1e20 in size or NaN; a missing value stands at its mean
    out : (t,) NaN in the first rows and where a row has no value
    """
    delta, solved = np.zeros(len(cloud.mean)), np.zeros(len(cloud.mean))
    for t in range(len(values)):
        present = 0
        for p in range(len(delta)):
            there = math.isfinite(values[t, p])
            present += there
            delta[p] = values[t, p] - cloud.mean[p] if there and cloud.counts[0] > 0.0 else 0.0
        if present == 0:
            continue
        if cloud.counts[0] == 0.0:
            cloud.mean[:] = np.where(np.isfinite(values[t]), values[t], 0.0)
        cloud.counts[0] += 1.0
        if cloud.counts[0] > WARM_ROWS:
            if int(cloud.counts[0] - WARM_ROWS - 1.0) % REFRESH_ROWS == 0:
                _factorise(cloud)
            cloud.counts[1] += SMOOTH * (_distance(cloud, delta, solved) - cloud.counts[1])
            out[t] = cloud.counts[1]
        _learn(cloud, values[t], delta, max(RATE, 1.0 / cloud.counts[0]))
