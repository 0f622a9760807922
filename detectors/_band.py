"""The band outside of which a value would be odd: the oddness formula, solved for the value."""

from __future__ import annotations

from numba import njit

from detectors._memory import LEVELS, Memory


@njit(cache=True, error_model="numpy")
def weighted_sum(m: Memory, i: int, weights: tuple[float, ...], x: float) -> float:
    """Sum of weight times distance of x from each follower; convex in x."""
    total = 0.0
    for k in range(LEVELS):
        total += weights[k] * abs(x - m.level[i, k])
    return total


@njit(cache=True, error_model="numpy")
def centre(m: Memory, i: int, weights: tuple[float, ...]) -> float:
    """The least odd value: the follower with the smallest weighted sum (a weighted median)."""
    best, least = m.level[i, 0], weighted_sum(m, i, weights, m.level[i, 0])
    for k in range(1, LEVELS):
        total = weighted_sum(m, i, weights, m.level[i, k])
        if total < least:
            best, least = m.level[i, k], total
    return float(best)


@njit(cache=True, error_model="numpy")
def edge(m: Memory, i: int, weights: tuple[float, ...], limit: float, side: float) -> float:
    """The value on one side (-1 or 1) of the centre at which the weighted sum reaches `limit`.

    The sum is piecewise linear with a kink at each follower: take the outermost kink that is still below the limit
    and go on from it with the slope beyond.
    """
    at = centre(m, i, weights)
    start, lowest = at, weighted_sum(m, i, weights, at)
    for k in range(LEVELS):
        kink = m.level[i, k]
        total = weighted_sum(m, i, weights, kink)
        if (kink - start) * side > 0.0 and total <= limit:
            start, lowest = kink, total
    slope = 0.0
    for k in range(LEVELS):
        outside = (m.level[i, k] - start) * side > 0.0
        slope += -weights[k] if outside else weights[k]
    if limit <= lowest or slope <= 0.0:
        return float(start)
    return float(start + side * (limit - lowest) / slope)
