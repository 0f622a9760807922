"""A second look at the signals of one service together, once something is suspected.

An isolation forest [1] isolates a row by random cuts; a row that few cuts isolate is odd. Cuts run along one axis at a
time, and what is odd about an incident is often that signals part which used to go together: so the axes are the
principal ones of the normal rows, each scaled to unit spread. Beyond all rows it has seen a forest cannot tell near
from far, so its score is multiplied by the log of the distance from the middle.

Several forests each leave out one stretch of the normal rows, so that suspected rows are compared with rows their
forest has not seen either [2], and the oddest of a few rows with the oddest of as many:
p = (1 + stretches as odd) / (stretches + 1).

Rules: one shape of model for all services, a fixed seed, no memory. It is asked about the selected few, never on the
hot path, and scikit-learn is imported when it is asked.

References
----------
[1] Liu, Ting, Zhou (2008), Isolation Forest.
[2] Vovk (2015), Cross-conformal predictors, equation 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors._base import F64

Bools: TypeAlias = NDArray[np.bool_]

MIN_ROWS = 30  # chosen: with fewer, "odder than ever" is said too easily
MIN_SIGNALS = 2  # of one there is nothing joint to say
MAX_SIGNALS = 50  # chosen: bounds the cost; further columns are left out, in their given order
MAX_ROWS = 4000  # chosen: the latest normal rows, for the same reason
FIRST_ROWS = 6  # chosen: about what is there when an incident is first ranked
FOLDS = 4  # chosen: each forest has seen three quarters of the normal rows
TREES = 50  # per forest
SAMPLES = 256  # [1], section 4
SEED = 20080801
FAR = 10.0  # robust standard deviations; beyond, farther away says no more, and one wild row must not draw all cuts
MAD_TO_SIGMA = 1.4826  # of a normal distribution
HUGE = 1e150  # above, differences would overflow
RIDGE = 0.01  # least spread of an axis: signals that are sums of others have none; chosen
UNUSUAL = 1.0  # surprise, chosen: one stretch in ten
LEADING = 3  # signals worth naming


@dataclass(frozen=True, slots=True)
class JointOpinion:
    """How odd the first abnormal rows are with all signals taken together.

    Parameters
    ----------
    surprise : -log10 of the share of normal stretches (of as many rows as were judged) that held a row at least as odd
        as the oddest judged one; at most log10(rows / judged + 1). NaN = no opinion
    rows : normal rows it was compared with
    as_odd : so many of them were at least as odd
    signals : how many signals were looked at
    leading : up to three signals that contribute most, with their share in [0, 1]
    text : all this in one sentence, or why there is no opinion
    """

    surprise: float
    rows: int
    as_odd: int
    signals: int
    leading: tuple[tuple[str, float], ...]
    text: str


def joint_opinion(normal: F64, abnormal: F64, names: Sequence[str]) -> JointOpinion:
    """Compare suspected rows of a service with normal ones, all signals together.

    Values are standardised by median and MAD of the normal rows, then turned to their principal axes. A signal that was
    missing in most of them is left out; elsewhere a missing value counts as the median, which says nothing. A signal
    that was constant counts as one with a spread of 1 % of its value.

    A signal contributes as much as oddness falls when it is put at its median or where the others let it be expected,
    whichever takes away more.

    Limits: a move that happened in the normal rows too is not odd; among many signals a move of a single one may drown.

    Parameters
    ----------
    normal : (t, k) rows to compare with, in time order; NaN = missing
    abnormal : (a, k) suspected rows in time order; the oddest of the first six counts
    names : k names of the signals

    Raises
    ------
    ValueError : shapes differ

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> load = rng.normal(size=(300, 1))
    >>> normal = load + 0.1 * rng.normal(size=(300, 3))
    >>> against = np.array([[2.0, 2.0, -2.0]])  # no value is unusual, together they are
    >>> opinion = joint_opinion(normal, against, ["cpu", "rate", "latency"])
    >>> opinion.as_odd, opinion.leading[0][0]
    (0, 'latency')
    """
    normal, abnormal = np.asarray(normal, np.float64), np.asarray(abnormal, np.float64)
    if normal.ndim != 2 or abnormal.ndim != 2 or {normal.shape[1], abnormal.shape[1]} != {len(names)}:
        raise ValueError(f"normal {normal.shape} and abnormal {abnormal.shape} must be rows x {len(names)} names")
    normal, abnormal = _rows_with_values(normal)[-MAX_ROWS:], _rows_with_values(abnormal)[:FIRST_ROWS]
    if len(normal) < MIN_ROWS:
        return _none(f"no opinion: only {len(normal)} normal rows")
    if not len(abnormal):
        return _none("no opinion: no values to judge")
    used = np.flatnonzero(np.isfinite(normal).mean(axis=0) > 0.5)[:MAX_SIGNALS]
    if len(used) < MIN_SIGNALS:
        return _none(f"no opinion: only {len(used)} signals with values")
    before, now = _standardised(normal[:, used], abnormal[:, used])
    as_odd, drops = _compared(before, now)
    return _opinion(as_odd, len(now), _shares(drops, [names[i] for i in used]), len(used))


def _rows_with_values(values: F64) -> F64:
    bounded = np.where(np.isfinite(values), np.clip(values, -HUGE, HUGE), np.nan)
    return bounded[np.isfinite(bounded).any(axis=1)]


def _standardised(normal: F64, abnormal: F64) -> tuple[F64, F64]:
    centre = np.nanmedian(normal, axis=0)
    spread = MAD_TO_SIGMA * np.nanmedian(np.abs(normal - centre), axis=0)
    spread = np.where(spread > 0.0, spread, np.nanstd(normal / HUGE, axis=0) * HUGE)
    constant = np.nanmax(normal, axis=0) == np.nanmin(normal, axis=0)
    spread = np.where(constant, 0.01 * np.abs(centre), spread)
    before, now = (
        np.clip(np.nan_to_num((x - centre) / np.maximum(spread, 1e-300)), -FAR, FAR) for x in (normal, abnormal)
    )
    # A forest cannot cut along a constant; a little noise of the assumed spread lets a change of it show.
    noise = np.random.default_rng(SEED).standard_normal(before.shape)
    return np.where(constant, noise, before), now


def _compared(before: F64, now: F64) -> tuple[Bools, F64]:
    """Which normal rows are at least as odd (t,), and by how much each signal raises the oddness of `now` (k,)."""
    as_odd, drops = np.zeros(len(before), np.bool_), np.zeros(now.shape[1])
    for fold in np.array_split(np.arange(len(before)), FOLDS):
        # Stretches, not every fourth row: neighbours are alike and would make a left-out row look known.
        forest = _Forest(np.delete(before, fold, axis=0))
        odd = forest.oddness(now)
        worst = int(odd.argmax())
        as_odd[fold] = forest.oddness(before[fold]) >= odd[worst]
        drops += odd[worst] - forest.without_each(now[worst])
    return as_odd, drops / FOLDS


class _Forest:
    """An isolation forest on the principal axes of its rows (t, k), and their middle."""

    def __init__(self, rows: F64) -> None:
        from sklearn.ensemble import IsolationForest

        self._centre = rows.mean(axis=0)
        spread, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows.T)))
        self._turn = axes / np.sqrt(np.maximum(spread, RIDGE))
        self._precision = self._turn @ self._turn.T
        forest = IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(rows)), random_state=SEED)
        self._forest = forest.fit((rows - self._centre) @ self._turn)

    def oddness(self, rows: F64) -> F64:
        turned = (rows - self._centre) @ self._turn
        # Outside of all it has seen a forest cannot tell near from far; the distance can.
        distance: F64 = np.log1p((turned**2).mean(axis=1))
        return -np.asarray(self._forest.score_samples(turned), np.float64) * distance

    def without_each(self, row: F64) -> F64:
        """Oddness of the row with one signal at a time made to say nothing: (k,)."""
        k = len(row)
        off = row - self._centre
        expected = row - (self._precision @ off) / np.diag(self._precision)
        copies = np.tile(row, (2, k, 1))
        copies[:, np.arange(k), np.arange(k)] = np.stack([np.zeros(k), expected])
        odd: F64 = self.oddness(copies.reshape(2 * k, k)).reshape(2, k).min(axis=0)
        return odd


def _shares(drops: F64, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    gains = np.maximum(drops, 0.0)
    total = gains.sum()
    order = sorted(range(len(names)), key=lambda i: (-gains[i], names[i]))[:LEADING]
    return tuple((names[i], float(gains[i] / total)) for i in order if gains[i] > 0.0)


def _opinion(as_odd: Bools, judged: int, leading: tuple[tuple[str, float], ...], signals: int) -> JointOpinion:
    rows, count = len(as_odd), int(as_odd.sum())
    stretches = np.lib.stride_tricks.sliding_window_view(as_odd.astype(np.float64), judged).max(axis=1)
    # Stretches that overlap are not so many: the floor is that of stretches side by side.
    surprise = -np.log10((1.0 + stretches.sum() / judged) / (len(stretches) / judged + 1.0))
    # A signal of little more than an equal share leads nothing.
    led = [name for name, share in leading if share > 1.2 / signals][:2]
    than = f"any of the {rows} rows before" if count == 0 else f"all but {count} of the {rows} rows before"
    text = f"{signals} signals together are odder than in {than}" + (f", mainly {' and '.join(led)}" if led else "")
    if surprise < UNUSUAL:
        text = f"{signals} signals together are not unusual: {count} of the {rows} rows before were as odd"
    return JointOpinion(float(surprise), rows, count, signals, leading, text)


def _none(text: str) -> JointOpinion:
    return JointOpinion(float("nan"), 0, 0, 0, (), text)
