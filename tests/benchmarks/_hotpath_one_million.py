"""One million series every 15 s in the full bank, in one process, from compressed bodies to what is odd."""

from __future__ import annotations

from tests.benchmarks._hotpath_ten_million import Size, measured
from tests.benchmarks._table import Row

SIZE = Size("one million", 1_000_000, "full", 60.0, 2.5)


def rows() -> list[Row]:
    """Measure; about two minutes and 1.5 GiB."""
    return measured(SIZE)
