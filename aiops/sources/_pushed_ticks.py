"""From waiting samples to the values of watched signals at ticks: the state that lies between two closings."""

from __future__ import annotations

import numpy as np

from aiops.model import F64, I32, I64
from aiops.sources import _pushed_cells as kernels
from aiops.sources._pushed_signals import Signals

_CELLS_AT_ONCE = 400_000
"""Ticks times raw series that are closed together; 64 bytes each and two matrices of 8. Chosen: about 32 MB."""

_TICKS_AT_ONCE = 1024  # chosen: 17 hours at 60 s


class Ticks:
    """Cells of the last window, last values, and the signals made of them.

    Parameters
    ----------
    signals : what is made of the raw series
    step_ms : between two ticks
    window_ms : over which rates are taken, two steps or more, whole ones
    lookback_ms : how old a gauge's last sample may be
    """

    def __init__(self, signals: Signals, step_ms: int, window_ms: int, lookback_ms: int) -> None:
        self._signals = signals
        self._step_ms, self._lookback_ms = step_ms, lookback_ms
        self._steps = window_ms // step_ms
        self._cells: F64 = np.zeros((self._steps - 1, 0, 8))
        self._last: F64 = np.zeros((0, 2))

    def at_once(self, width: int) -> int:
        """How many ticks of `width` raw series to close together."""
        return min(max(_CELLS_AT_ONCE // max(width, 1), 1), _TICKS_AT_ONCE)

    def close(self, ticks: I64, width: int, raws: I32, times: I64, values: F64) -> tuple[I32, F64, int]:
        """The signals at each tick.

        Parameters
        ----------
        ticks : (t,) unix ms, one step apart, going on where the last call ended
        width : how many raw series there are
        raws, times, values : (k,) samples in (ticks[0] - step, ticks[-1]]

        Returns
        -------
        ids (n,), values (t, n) with NaN = missing, and how many samples were repetitions
        """
        cells = np.zeros((self._steps - 1 + len(ticks), width, 8))
        cells[: self._steps - 1, : self._cells.shape[1]] = self._cells
        self._last = np.pad(self._last, ((0, width - len(self._last)), (0, 0)))
        repeated = self._scatter(cells, int(ticks[0]), raws, times, values)
        self._cells = cells[len(ticks) :].copy()
        ids, signals = self._values(cells, ticks)
        return ids, signals, repeated

    def skip(self) -> None:
        """Go over a gap that is longer than the window."""
        self._cells[:] = 0

    def _scatter(self, cells: F64, first_ms: int, raws: I32, times: I64, values: F64) -> int:
        rows = (times - (first_ms - self._step_ms) - 1) // self._step_ms + (self._steps - 1)
        repeated: int = kernels.scatter(cells, rows, raws, times, values)
        if repeated < 0:
            cells[self._steps - 1 :] = 0
            order = np.argsort(times, kind="stable")
            repeated = kernels.scatter(cells, rows[order], raws[order], times[order], values[order])
        return repeated

    def _values(self, cells: F64, ticks: I64) -> tuple[I32, F64]:
        counters, gauges = self._signals.wanted()
        rates = np.empty((len(ticks), cells.shape[1]))
        levels = np.empty_like(rates)
        first_ms = int(ticks[0])
        kernels.rates(cells, counters, self._steps, first_ms, self._step_ms, rates)
        own = cells[self._steps - 1 :]
        kernels.levels(own, gauges, first_ms, self._step_ms, self._lookback_ms, self._last, levels)
        return self._signals.values(rates, levels)
