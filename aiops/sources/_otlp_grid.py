"""Bucket bounds for exponential histograms: the same few for all points of a series.

Theory. Bucket i at scale s holds (2^(i / 2^s), 2^((i + 1) / 2^s)]. Bounds of a coarser scale are bounds of every finer
one, so counts at powers of 2^(1 / 2^g) are exact for g <= s. A series keeps one grid of them: it only ever widens or
becomes coarser, so that each bound is a counter of its own, as `le` of a classic histogram is.
"""

from __future__ import annotations

from dataclasses import dataclass

FINEST = 1
"""Two bounds per doubling. Chosen: finer than most of the default bounds of explicit histograms in OpenTelemetry (1.3
to 2.5 times the one before), and 27 of them for 1 ms to 10 s."""

MOST_BOUNDS = 160
"""As many as an SDK keeps by default (OpenTelemetry metrics SDK, MaxSize)."""

LOWEST_SCALE, HIGHEST_SCALE = -10, 20
"""What the data model allows."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Bounds 2^(k / 2^g) for k from `low` to `high`; none if `high` is below `low`.

    >>> Grid(1, -1, 2).bounds()
    [0.7071067811865476, 1.0, 1.4142135623730951, 2.0]
    """

    g: int
    low: int
    high: int

    @classmethod
    def around(cls, scale: int, first: int, last: int) -> Grid:
        """The grid around buckets `first` to `last`: the lowest bound is below them, the highest not.

        >>> Grid.around(3, 0, 15)
        Grid(g=1, low=0, high=4)
        """
        g = min(FINEST, scale)
        size = 1 << (scale - g)
        return cls(g, -(-(first + 1) // size) - 1, -(-(last + 1) // size)).fitted()

    def widened(self, other: Grid) -> Grid:
        """The finest grid that holds both."""
        if self.high < self.low or other.high < other.low:
            return other if self.high < self.low else self
        g = min(self.g, other.g)
        one, two = self.coarser(g), other.coarser(g)
        return Grid(g, min(one.low, two.low), max(one.high, two.high)).fitted()

    def coarser(self, g: int) -> Grid:
        """The same stretch at a lower scale."""
        size = 1 << (self.g - g)
        return Grid(g, self.low // size, -(-self.high // size))

    def fitted(self) -> Grid:
        """The same within what doubles can tell apart, coarse enough to have few bounds."""
        per_double = 2.0**self.g
        lowest, highest = int(-1074 * per_double) - 1, int(1024 * per_double) - 1
        grid = Grid(self.g, max(self.low, lowest), min(self.high, highest))
        return grid if len(grid) <= MOST_BOUNDS else self.coarser(self.g - 1).fitted()

    def bounds(self) -> list[float]:
        """All bounds, increasing."""
        return [2.0 ** (k / 2.0**self.g) for k in range(self.low, self.high + 1)]

    def __len__(self) -> int:
        return max(0, self.high - self.low + 1)


EMPTY = Grid(FINEST, 0, -1)
"""Of a series that has seen nothing above 0."""
