"""What requests have left on the state of slots, so that it can be taken back while others are under way.

Rule 1. A slot that nobody has touched since goes back to what it was. Rule 2. A slot that a later request has touched
stays: that request's samples hold our totals already. Should it be taken back as well, the slot goes back to before us.
"""

from __future__ import annotations

import numpy as np

from aiops.model import I64
from aiops.sources._otlp_slots import Slots


class Mark:
    """One request's mark, made before it and closed after it.

    Parameters
    ----------
    used : the slots whose points it has, each as often as it likes
    """

    def __init__(self, state: Slots, used: I64) -> None:
        self.life = state.life
        self.used = np.unique(used)
        firsts, widths = state.firsts[self.used], state.widths[self.used]
        self.ends = np.cumsum(widths)
        self.places = np.repeat(firsts - (self.ends - widths), widths) + np.arange(int(widths.sum()))
        self.widths = widths
        self.starts, self.lasts = state.starts[self.used], state.lasts[self.used]
        self.totals = state.totals[self.places]
        self.left = self.lasts
        self.fixed = np.zeros(len(self.used), np.bool_)

    def close(self, state: Slots) -> None:
        """The request has been expanded: this is how it leaves its slots."""
        self.left = state.lasts[self.used]


class Marks:
    """Marks of requests that are not yet known to be taken, in the order in which they came."""

    def __init__(self, state: Slots) -> None:
        self._state = state
        self._open: list[Mark] = []

    def add(self, mark: Mark) -> None:
        """A request is under way."""
        self._open.append(mark)

    def done(self, mark: Mark) -> None:
        """It was taken, with all that came before it in its slots: that can be taken back no more."""
        at = self._open.index(mark)
        for earlier in self._open[:at]:
            earlier.fixed |= np.isin(earlier.used, mark.used)
        del self._open[at]

    def undo(self, mark: Mark) -> None:
        """It was not taken."""
        at = self._open.index(mark)
        later = self._open[at + 1 :]
        del self._open[at]
        state = self._state
        if mark.life != state.life:
            return
        still = (state.lasts[mark.used] == mark.left) & ~mark.fixed
        state.starts[mark.used[still]], state.lasts[mark.used[still]] = mark.starts[still], mark.lasts[still]
        wide = np.repeat(still, mark.widths)
        state.totals[mark.places[wide]] = mark.totals[wide]
        for i in np.flatnonzero(~still & ~mark.fixed).tolist():
            _inherit(mark, i, later)


def _inherit(mark: Mark, i: int, later: list[Mark]) -> None:
    """The first later request that has the slot would now take it back to before us."""
    for other in later:
        j = int(np.searchsorted(other.used, mark.used[i]))
        if j < len(other.used) and other.used[j] == mark.used[i]:
            other.starts[j], other.lasts[j] = mark.starts[i], mark.lasts[i]
            n = mark.widths[i]
            other.totals[other.ends[j] - n : other.ends[j]] = mark.totals[mark.ends[i] - n : mark.ends[i]]
            return
