"""The tail of the light bank: oddness -> surprise and rarity, from borders a series keeps of its own rows.

Theory. A border that goes up by u at each row beyond it and down by u p at every row is exceeded by the share p of all
rows in the long run, whatever their distribution (Gibbs and Candes 2021, "Adaptive conformal inference under
distribution shift", proposition 4.1). Three such borders of the oddness are kept: of one row in 200 (with every tick,
_light_block.py), in 10 ** 3.5 and in 10 ** 5. Between and beyond them -log10 of the share is linear in the
logarithm of the oddness, a power law. The step u is large while a series is young, as in stochastic approximation.

Rarity blends a rate shared by all series, a power law of the oddness as in _pages.py, with the rate of own rows, of
which those in bursts count less: a series whose odd rows come in bursts has incidents in its past, not noise.

In the signatures `b` and `t` are a series' row of `borders` and of `tail`, `first` is log2 of its lowest border, and
oddness comes as log2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from detectors._light_block import ODD_SHARE
from detectors._light_memory import (
    AGE_H,
    BURST,
    BURST_MEAN,
    F32,
    FIRED_S,
    LENGTH_ONE,
    MOST,
    PEAK,
    PEAK_ONE,
    PEAK_S,
    PEAK_ZERO,
    RARE,
    RAREST,
    U16,
)
from detectors._marks import LOG10_OF_2
from detectors._power import exp2, log2
from detectors.rarity import LOWEST, rarity_threshold

ODD_AT, RARE_AT, RAREST_AT = -math.log10(ODD_SHARE), 3.5, 5.0  # surprise at the three borders
RARE_SHARE, RAREST_SHARE = 10.0**-RARE_AT, 10.0**-RAREST_AT
STEP_SHARE = 0.2  # of the distance of the first two borders, by which one row moves the others
LEAST_STEP, MOST_STEP = 0.05, 0.5
PRIOR_ROWS = 500.0  # rows for which the first borders stand
FEW_ROWS = 10.0  # beyond the second border, before which the third is only its power law
TAIL_SLOPE = 3.0  # of the tail while a series is young: operations data
NATS = 1.0 / math.log(2.0)
LEAST_APART = 0.1  # between borders
PRIOR_LOG2_PAGES, PRIOR_SLOPE = math.log2(105.0), 3.0  # shared pages a day at oddness 1 and a step of 60 s; their slope
PRIOR_STEP_POWER = 0.6  # fewer rows a day, rarer extremes
YOUNG_DAYS = 1.0  # the oddness of a series younger than this is trusted less
PRIOR_DAYS = 20.0  # weight of the shared rate; three in the full bank, which counts pages where this one counts rows
PAGES_PER_DAY = 2.0  # bursts are counted where rows are this frequent
NOISE_LENGTH = 1.3  # rows of a burst there on noise, measured: 1.0 to 1.3
LENGTH_POWER = 4.0  # how fast the share of noise falls with the length
LENGTH_RATE = 1.0 / 16.0
LONGEST_BURST = 20
YOUNGEST_DAYS = 0.01
BORDER_RARITY = rarity_threshold(1 / 30)
ROUNDING = 1e-3  # of the powers and logarithms, much more than there is
DAY_S, HOUR_S, HOURS_A_DAY = 86_400.0, 3600.0, 24.0


class Pace(NamedTuple):
    """What a row's time and the step mean for the tails of all series."""

    now_s: int  # modulo 65,536
    quiet_s: int
    rows_a_day: float
    rows_an_hour: float
    shared_log2: float  # pages a day at oddness 1 that all old series share, times the weight of that belief
    burst_at: float  # surprise from which rows are counted as bursts


@njit(cache=True, error_model="numpy")
def pace_of(now_s: float, step_s: float, quiet_s: float) -> Pace:
    """The pace at a row."""
    rows_a_day = DAY_S / step_s
    shared = PRIOR_LOG2_PAGES + PRIOR_STEP_POWER * log2(60.0 / step_s) + log2(PRIOR_DAYS)
    burst_at = min(max(LOG10_OF_2 * log2(rows_a_day / PAGES_PER_DAY), ODD_AT), RAREST_AT)
    return Pace(int(now_s) & MOST, int(quiet_s), rows_a_day, HOUR_S / step_s, shared, burst_at)


@njit(cache=True, error_model="numpy")
def surprise(b: F32, first: float, odd: float) -> float:
    """-log10 of the share of a series' rows this odd."""
    if odd <= first:
        return ODD_AT * exp2(odd - first)
    if odd < b[RARE]:
        return float(ODD_AT + (RARE_AT - ODD_AT) * (odd - first) / (b[RARE] - first))
    return float(RARE_AT + (RAREST_AT - RARE_AT) * (odd - b[RARE]) / (b[RAREST] - b[RARE]))


@njit(cache=True, error_model="numpy")
def _at_surprise(b: F32, first: float, wanted: float) -> float:
    """The oddness of that surprise; the reverse of `surprise`."""
    if wanted <= ODD_AT:
        return first + log2(max(wanted / ODD_AT, 1e-3))
    if wanted < RARE_AT:
        return float(first + (b[RARE] - first) * (wanted - ODD_AT) / (RARE_AT - ODD_AT))
    return float(b[RARE] + (b[RAREST] - b[RARE]) * (wanted - RARE_AT) / (RAREST_AT - RARE_AT))


@njit(cache=True, error_model="numpy")
def _shared_log2(t: U16, pace: Pace) -> float:
    """log2 of the shared pages a day at oddness 1 times their weight; a young series' oddness is trusted less."""
    days = t[AGE_H] / HOURS_A_DAY
    return pace.shared_log2 + 0.5 * PRIOR_SLOPE * log2((days + YOUNG_DAYS) / max(days, YOUNGEST_DAYS))


@njit(cache=True, error_model="numpy")
def _noise_rows(t: U16, pace: Pace) -> float:
    """Rows seen that would each be a page of noise: those of bursts are not."""
    share = min(NOISE_LENGTH * LENGTH_ONE / t[BURST_MEAN], 1.0)
    return float(share**LENGTH_POWER * pace.rows_a_day * t[AGE_H] / HOURS_A_DAY)


@njit(cache=True, error_model="numpy")
def rarity(b: F32, t: U16, first: float, odd: float, pace: Pace) -> float:
    """-log10 of the false pages a day a threshold at this oddness would open on a series."""
    shared = exp2(_shared_log2(t, pace) - PRIOR_SLOPE * odd)
    own = _noise_rows(t, pace) * exp2(surprise(b, first, odd) / -LOG10_OF_2)
    return max(LOG10_OF_2 * (log2(PRIOR_DAYS + t[AGE_H] / HOURS_A_DAY) - log2(shared + own)), LOWEST)


@njit(cache=True, error_model="numpy")
def least_odd(tail: U16, least: float, pace: Pace) -> float:
    """An oddness below which no series (tail (n, TAIL)) has a row of this rarity, however steep its own tail is."""
    if least <= LOWEST:
        return 0.0
    hours = 0
    for i in range(len(tail)):
        hours = max(hours, tail[i, AGE_H])
    # The shared rate alone, of a series that is as old as the oldest: own rows and youth only make less rare.
    allowed = log2(PRIOR_DAYS + hours / HOURS_A_DAY) - least / LOG10_OF_2
    return float((1.0 - ROUNDING) * exp2((pace.shared_log2 - allowed) / PRIOR_SLOPE))


@njit(cache=True, error_model="numpy")
def band_odd(b: F32, t: U16, first: float, pace: Pace) -> float:
    """The oddness at which a page a month would open on a series, or a little more.

    Where either rate alone would reach it, corrected once by the least slope that there is.
    """
    allowed = log2((PRIOR_DAYS + t[AGE_H] / HOURS_A_DAY) * 10.0**-BORDER_RARITY)
    at = (_shared_log2(t, pace) - allowed) / PRIOR_SLOPE
    own = _noise_rows(t, pace)
    if own > 0.0:
        at = max(at, _at_surprise(b, first, LOG10_OF_2 * (log2(own) - allowed)))
    missing = (BORDER_RARITY - rarity(b, t, first, at, pace)) / LOG10_OF_2
    to_rare, to_rarest = (RARE_AT - ODD_AT) / (b[RARE] - first), (RAREST_AT - RARE_AT) / (b[RAREST] - b[RARE])
    return exp2(at + max(missing, 0.0) / min(PRIOR_SLOPE, min(to_rare, to_rarest) / LOG10_OF_2))


@njit(cache=True, error_model="numpy")
def since(then_s: int, pace: Pace) -> int:
    """Seconds since a time that was kept modulo 65,536."""
    return (pace.now_s - int(then_s)) & MOST


@njit(cache=True, error_model="numpy")
def is_onset(t: U16, odd: float, pace: Pace) -> bool:
    """Whether a series was never as odd in the quiet time; remembers it."""
    peak = np.uint16(min(max(PEAK_ONE * odd + PEAK_ZERO, 1.0), float(MOST)))
    if t[PEAK] > 0 and peak <= t[PEAK] and since(t[PEAK_S], pace) <= pace.quiet_s:
        return False
    t[PEAK], t[PEAK_S] = peak, pace.now_s
    return True


@njit(cache=True, error_model="numpy")
def learn_tail(b: F32, t: U16, first: float, odd: float, pace: Pace) -> None:
    """Learn an odd row."""
    if odd >= _at_surprise(b, first, pace.burst_at):
        if t[BURST] > 0 and since(t[FIRED_S], pace) > pace.quiet_s:
            end_burst(t)
        t[BURST] = min(t[BURST] + 1, LONGEST_BURST)
        t[FIRED_S] = pace.now_s
    if odd > b[RARE]:
        rows, least = t[AGE_H] * pace.rows_an_hour, _least_step(b, first)
        rarest = odd > b[RAREST]
        b[RARE] = _raised(b[RARE], odd, least, RARE_SHARE * (rows + PRIOR_ROWS))
        if rarest:
            b[RAREST] = _raised(b[RAREST], odd, least, RAREST_SHARE * (rows + PRIOR_ROWS))
        _keep_apart(b, first)


@njit(cache=True, error_model="numpy")
def lower_borders(b: F32, t: U16, first: float, rows: float, pace: Pace) -> None:
    """Let the borders fall for the rows of an hour."""
    expected, least = t[AGE_H] * pace.rows_an_hour + PRIOR_ROWS, _least_step(b, first)
    b[RARE] -= rows * RARE_SHARE * _step_of(least, RARE_SHARE * expected)
    if RARE_SHARE * expected < FEW_ROWS:
        b[RAREST] = 2.0 * b[RARE] - first
    else:
        b[RAREST] -= rows * RAREST_SHARE * _step_of(least, RAREST_SHARE * expected)
    _keep_apart(b, first)


@njit(cache=True, error_model="numpy")
def end_burst(t: U16) -> None:
    """Learn the length of the burst that is over."""
    t[BURST_MEAN] = int(t[BURST_MEAN] + LENGTH_RATE * (t[BURST] * LENGTH_ONE - t[BURST_MEAN]) + 0.5)
    t[BURST] = 0


@njit(cache=True, error_model="numpy")
def _step_of(least: float, expected: float) -> float:
    """How far one row moves a border that `expected` rows should have exceeded by now."""
    return max(NATS / (TAIL_SLOPE * expected), least)


@njit(cache=True, error_model="numpy")
def _least_step(b: F32, first: float) -> float:
    """The same for an old series: the steeper its tail, the less."""
    return float(min(max(STEP_SHARE * (b[RARE] - first), LEAST_STEP), MOST_STEP))


@njit(cache=True, error_model="numpy")
def _raised(border: float, odd: float, least: float, expected: float) -> float:
    """A border after a row beyond it: no further than a power law through that row would put it."""
    beyond = max(0.0, -log2(expected)) / TAIL_SLOPE
    return max(border, min(border + _step_of(least, expected), odd + least + beyond))


@njit(cache=True, error_model="numpy")
def _keep_apart(b: F32, first: float) -> None:
    b[RARE] = max(b[RARE], first + LEAST_APART)
    b[RAREST] = max(b[RAREST], b[RARE] + LEAST_APART)
