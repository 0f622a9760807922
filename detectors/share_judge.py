"""Shares with their counts, judged row by row: what chance does is not rare; what a share's own chance cannot do is.

A share (failed of all requests) comes with the number of trials behind it, and three questions are asked of each row.

1. *Chance.* Were the true share the usual one, how often would that many trials show this? What chance does is at
   most as rare as chance makes it, whatever else is said.
2. *Own chance.* The same of a share whose true value wanders as it did on this series: n trials are worth
   n / (1 + (n - 1) r), with r the correlation of trials in a row [1], known from what past rows varied beyond chance.
3. *Own chance of the last rows together*: few trials a row say nothing, many rows of few do.

The second and third can make a row rarer than it was. Wandering shares have heavier tails than [1], so both are
brought in line with the series' own past: beyond one in ten, the tail is exponential with the mean excess of past
rows [2], no less than chance has.

The usual share is that of all trials of the last six hours, so a level that stays is usual by the end of a day.

References
----------
[1] J. G. Skellam (1948), A probability distribution derived from the binomial distribution by regarding the
    probability of success as variable between the sets of trials; r is its intraclass correlation.
[2] J. Pickands (1975), Statistical inference using extreme order statistics; the exponential case.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors._base import F64, I64
from detectors.shares import share_edge, share_surprise

HITS, TRIALS = 0, 1  # of the last hours, fading
EXCESS, CHANCE = 2, 3  # variance of rows beyond that of chance, and usual * (1 - usual) of the same rows, fading
LATE_HITS, LATE_TRIALS = 4, 5  # a row of the last few
ROWS = 6  # judged, fading
ROW_TAIL, LATE_TAIL = 7, 9  # rows beyond FROM, and the sum of what they had beyond it: alone, and the last together
FIELDS = 11

USUAL_S = 6 * 3_600.0  # as long as a level is followed before it is normal
SPREAD_S = 14 * 86_400.0  # chosen: two weeks of a series say how it wanders
LATE_ROWS = 10.0  # the last rows: 19 in all, fading
PRIOR_SPREAD, PRIOR_ROWS = 0.003, 500.0  # r of a series nobody knows, and how many rows that is worth
FROM = 1.0  # the tail is that of one row in ten
MOST_EXCESS, MOST_DEVIATION = 2.0, 5.0  # one incident makes neither the tail nor the spread
MEAN_EXCESS = 1.0 / math.log(10.0)  # of surprise that means what it says
PRIOR_TAIL_MEAN = 2.0 * MEAN_EXCESS  # twice as heavy until the series is known
PRIOR_TAIL_ROWS, PRIOR_TAIL_SHARE = (
    15.0,
    0.01,
)  # what that is worth: 15 rows beyond FROM, and one of a hundred rows seen
STRETCH_POWER = 1.5  # tails heavier than chance are not exponential either; measured on log-normal shares
TENTH = 1.0  # of the budget; the rest is the bank's. Outages are rarer by far, wandering shares are not
WORTH_A_LOOK = -1.0  # rarity: what comes ten times a day is told by no budget
MOST_PER_S = 1e12  # trials; more say no more


class ShareRows(NamedTuple):
    """What a row of shares is.

    Parameters
    ----------
    step_s : distance of rows
    window_s : a share is that of the trials of so long
    page : rarity at which the edge of the band lies
    """

    step_s: float
    window_s: float
    page: float


@njit(cache=True, error_model="numpy")
def judge_shares(  # noqa: PLR0917 - kernels take no keywords
    memory: F64,
    places: I64,
    least: F64,
    learns: NDArray[np.bool_],
    values: F64,
    rarity: F64,
    upper: F64,
    of: ShareRows,
) -> None:
    """Correct rarity and upper edge of k shares in place, row by row, then learn each row.

    Parameters
    ----------
    memory : (k, FIELDS) zeros to begin with
    places : (k, 2) columns of a share and of its trials per second; a negative one = not there
    least : (k,) no share up to this is unusual
    learns : (k,) whether rows are learnt
    values : (t, n) NaN or infinite = missing; shares outside 0 to 1 are taken for the nearest end
    rarity, upper : (t, n) of the bank. NaN in rarity stays; so does everything of rows without a share or trials
    """
    for k in range(len(places)):
        column, trials = places[k]
        if column < 0 or trials < 0:
            continue
        for t in range(len(values)):
            share, per_s = values[t, column], values[t, trials]
            if not (math.isfinite(share) and math.isfinite(per_s) and per_s > 0.0):
                continue
            share, per_s = min(max(share, 0.0), 1.0), min(per_s, MOST_PER_S)
            if math.isfinite(rarity[t, column]):
                said = _judge(memory[k], share, per_s, least[k], rarity[t, column], upper[t, column], learns[k], of)
                rarity[t, column], upper[t, column] = said
            if learns[k]:
                _learn(memory[k], share, per_s, of)


@njit(cache=True, error_model="numpy")
def _judge(  # noqa: PLR0917 - same
    f: F64,
    share: float,
    per_s: float,
    least: float,
    bank: float,
    edge: float,
    learns: bool,  # noqa: FBT001 - same
    of: ShareRows,
) -> tuple[float, float]:
    """Rarity and upper edge of a row."""
    usual = max(f[HITS] / f[TRIALS] if f[TRIALS] > 0.0 else 0.0, least)
    spread, daily = _spread(f, usual), math.log10(86_400.0 / of.step_s)
    late_hits, late_trials = _late(f, share, per_s, of)
    chance = share_surprise(share, per_s * of.window_s, usual) - daily
    said = min(bank, chance)
    if bank >= WORTH_A_LOOK:
        edge = min(edge, share_edge(per_s * of.window_s, usual, of.page + daily))
    row_worth = _worth(per_s * of.window_s, f[TRIALS], spread)
    late_worth = _worth(late_trials * (2.0 * LATE_ROWS - 1.0), f[TRIALS], spread)
    row_raw = share_surprise(share, row_worth, usual)
    late_raw = share_surprise(late_hits / late_trials, late_worth, usual)
    for tail, raw, worth in ((ROW_TAIL, row_raw, row_worth), (LATE_TAIL, late_raw, late_worth)):
        own = _calibrated(f, tail, raw) - daily - TENTH
        if own > said and own >= WORTH_A_LOOK:
            said = own
            edge = min(edge, share_edge(worth, usual, _raw(f, tail, of.page + daily + TENTH)))
    if learns:
        fade = 1.0 - of.step_s / SPREAD_S
        f[ROWS] = f[ROWS] * fade + 1.0
        _learn_tail(f, ROW_TAIL, row_raw, fade)
        _learn_tail(f, LATE_TAIL, late_raw, fade)
    # What neither bank nor chance finds worth a look keeps the word of the bank.
    return (said, edge) if max(bank, said) >= WORTH_A_LOOK else (bank, edge)


@njit(cache=True, error_model="numpy")
def _late(f: F64, share: float, per_s: float, of: ShareRows) -> tuple[float, float]:
    """Hits and trials of a row of the last few, this one included."""
    trials = per_s * of.step_s
    return (
        f[LATE_HITS] + (trials * share - f[LATE_HITS]) / LATE_ROWS,
        f[LATE_TRIALS] + (trials - f[LATE_TRIALS]) / LATE_ROWS,
    )


@njit(cache=True, error_model="numpy")
def _spread(f: F64, usual: float) -> float:
    prior = PRIOR_ROWS * usual * (1.0 - usual)
    return float(min(max((f[EXCESS] + PRIOR_SPREAD * prior) / (f[CHANCE] + prior), 0.0), 1.0))


@njit(cache=True, error_model="numpy")
def _worth(trials: float, known: float, spread: float) -> float:
    """How many trials of pure chance these are worth, beside a usual share that is itself known from so many."""
    worth = trials / (1.0 + max(trials - 1.0, 0.0) * spread)
    return float(worth * known / (worth + known))


@njit(cache=True, error_model="numpy")
def _tail(f: F64, tail: int) -> tuple[float, float]:
    """Surprise of a row at FROM, and by how much the tail beyond is stretched."""
    share = (f[tail] + PRIOR_TAIL_ROWS) / (f[ROWS] + PRIOR_TAIL_ROWS * 10.0**FROM)
    prior = PRIOR_TAIL_ROWS + PRIOR_TAIL_SHARE * f[ROWS]
    mean = (f[tail + 1] + prior * PRIOR_TAIL_MEAN) / (f[tail] + prior)
    return -math.log10(share), max(mean / MEAN_EXCESS, 1.0) ** STRETCH_POWER


@njit(cache=True, error_model="numpy")
def _calibrated(f: F64, tail: int, raw: float) -> float:
    if raw <= FROM:
        return raw
    base, stretch = _tail(f, tail)
    return float(min(base + (raw - FROM) / stretch, raw))


@njit(cache=True, error_model="numpy")
def _raw(f: F64, tail: int, calibrated: float) -> float:
    """The surprise that `_calibrated` turns into this one."""
    base, stretch = _tail(f, tail)
    return float(max(FROM + (calibrated - base) * stretch, calibrated))


@njit(cache=True, error_model="numpy")
def _learn(f: F64, share: float, per_s: float, of: ShareRows) -> None:
    trials, window = per_s * of.step_s, max(per_s * of.window_s, 1.0)
    if f[TRIALS] > 0.0:
        usual, fade = f[HITS] / f[TRIALS], 1.0 - of.step_s / SPREAD_S
        chance = usual * (1.0 - usual)
        most = MOST_DEVIATION**2 * chance * (1.0 / window + _spread(f, usual))
        f[EXCESS] = f[EXCESS] * fade + min((share - usual) ** 2, most) - chance / window
        f[CHANCE] = f[CHANCE] * fade + chance * (1.0 - 1.0 / window)
    f[LATE_HITS], f[LATE_TRIALS] = _late(f, share, per_s, of)
    fade = max(1.0 - of.step_s / USUAL_S, 0.0)
    f[HITS] = f[HITS] * fade + trials * share
    f[TRIALS] = f[TRIALS] * fade + trials


@njit(cache=True, error_model="numpy")
def _learn_tail(f: F64, tail: int, raw: float, fade: float) -> None:
    f[tail] *= fade
    f[tail + 1] *= fade
    if raw > FROM:
        f[tail] += 1.0
        f[tail + 1] += min(raw - FROM, MOST_EXCESS)
