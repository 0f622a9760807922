"""Shares of few: whether a ratio of counts is more than chance makes of a small denominator.

One failed request of twelve is a ratio of 8 %, and says next to nothing.

References
----------
[1] H. Chernoff (1952), A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations;
    the bound for binomial tails in the form of W. Hoeffding (1963), theorem 1.
"""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, error_model="numpy")
def share_surprise(share: float, of: float, usual: float) -> float:
    """At least so much surprise lies in a share of `of` trials, were each a hit by the chance `usual`.

    That is -log10 of an upper bound on the chance of that share or a larger one: exp(-of * KL(share, usual)).

    Parameters
    ----------
    share, usual : in 0 to 1; values outside are taken for the nearest end
    of : how many trials, >= 0, also between whole numbers; NaN = not known

    Returns
    -------
    >= 0; 0 for shares up to the usual one; infinite for any share where none is possible; NaN when an argument is NaN

    Examples
    --------
    One failure of twelve is nothing when one in a hundred is usual; six of twelve are, and so are 8 % of ten thousand:

    >>> [round(share_surprise(share, of, 0.01), 1) for share, of in ((1 / 12, 12), (0.5, 12), (0.083, 1e4))]
    [0.6, 8.4, 457.8]
    """
    if math.isnan(share) or math.isnan(usual) or math.isnan(of):
        return math.nan
    share, usual = min(max(share, 0.0), 1.0), min(max(usual, 0.0), 1.0)
    if share <= usual or of <= 0.0:
        return 0.0
    if usual == 0.0:
        return math.inf
    misses = (1.0 - share) * math.log((1.0 - share) / (1.0 - usual)) if share < 1.0 else 0.0
    return of * (share * math.log(share / usual) + misses) / math.log(10.0)


@njit(cache=True, error_model="numpy")
def share_edge(of: float, usual: float, surprise: float) -> float:
    """The largest share of `of` trials that has at most so much `share_surprise`; 1 if even that has not more.

    >>> round(share_edge(12.0, 0.01, 4.0), 2), round(share_edge(1e4, 0.01, 4.0), 3), share_edge(1.0, 0.5, 4.0)
    (0.3, 0.015, 1.0)
    """
    low, high = min(max(usual, 0.0), 1.0), 1.0
    if not share_surprise(high, of, usual) > surprise:
        return high
    for _ in range(30):  # to a billionth
        middle = 0.5 * (low + high)
        low, high = (low, middle) if share_surprise(middle, of, usual) > surprise else (middle, high)
    return low
