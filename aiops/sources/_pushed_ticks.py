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
        self._cells: F64 = np.zeros((self._steps, 0, 8))
        self._places: I64 = np.arange(self._steps)
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
        self._make_room(len(ticks), width)
        repeated = self._scatter(int(ticks[0]), len(ticks), raws, times, values)
        ids, signals = self._values(ticks, width)
        self._places = np.roll(self._places, -len(ticks))
        return ids, signals, repeated

    def skip(self) -> None:
        """Go over a gap that is longer than the window."""
        self._cells[:] = 0

    def _make_room(self, ticks: int, width: int) -> None:
        """Have empty rows behind those of the window, for series that are new too, and not many more."""
        rows, columns = self._cells.shape[:2]
        kept, needed = self._steps - 1, self._steps - 1 + ticks
        if needed <= rows <= kept + max(ticks, self.at_once(width)) and width <= columns:
            return
        # A quarter more than are needed, so that a few new series do not move all.
        cells = np.zeros((needed, columns if width <= columns else width + width // 4, 8))
        cells[:kept, :columns] = self._cells[self._places[:kept]]
        self._cells, self._places = cells, np.arange(needed)
        self._last = np.pad(self._last, ((0, cells.shape[1] - len(self._last)), (0, 0)))

    def _scatter(self, first_ms: int, ticks: int, raws: I32, times: I64, values: F64) -> int:
        places = self._places[self._steps - 1 : self._steps - 1 + ticks]
        repeated: int = kernels.scatter(self._cells, places, first_ms, self._step_ms, raws, times, values)
        if repeated < 0:
            self._cells[places] = 0
            order = np.argsort(times, kind="stable")
            raws, times, values = raws[order], times[order], values[order]
            repeated = kernels.scatter(self._cells, places, first_ms, self._step_ms, raws, times, values)
        return repeated

    def _values(self, ticks: I64, width: int) -> tuple[I32, F64]:
        counters, gauges = self._signals.wanted()
        rates = np.empty((len(ticks), width))
        levels = np.empty_like(rates)
        first_ms, step_ms = int(ticks[0]), self._step_ms
        kernels.rates(self._cells, self._places, counters, self._steps, first_ms, step_ms, rates)
        own = self._places[self._steps - 1 :]
        kernels.levels(self._cells, own, gauges, first_ms, step_ms, self._lookback_ms, self._last, levels)
        return self._signals.values(rates, levels)
