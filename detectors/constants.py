"""What was chosen on data, as one object: everything that turns oddness into rarity, and the weights of oddness.

The defaults are what ships. They are kept apart from the code so that the choice can be made again, by the same code,
on one half of the series or on all sets but one (`make bench-detection`). What shapes the memory itself (rates,
exponent, bins, marks) is compiled in.
"""

from __future__ import annotations

from typing import NamedTuple


class Constants(NamedTuple):
    """Constants of a bank.

    Parameters
    ----------
    persistence : two rows in a row weigh this much over their mean
    ties_weight : what a share of repeated values above 0.3 takes off the oddness
    prior_days : days observed that the shared rate of pages is worth
    prior_pages : the shared rate, pages a day at oddness 1 and a step of 60 s
    prior_slope : it falls with this power of the oddness
    prior_step_power : and with this power of the step: fewer rows a day, rarer extremes
    own_fade : share of own pages that is left one mark further beyond the highest that had one; more on heavy tails
    young_days : the oddness of a series younger than this is trusted less
    noise_rows : a page of noise lasts no longer than this many rows
    noise_power : how fast the share of noise falls with the rows beyond
    odder_power : how fast it falls on series of bursts, per mark above the one where bursts are counted
    thin_slope : a tail that falls faster than this power of the oddness is thin
    """

    persistence: float = 1.5
    ties_weight: float = 4.0
    prior_days: float = 3.0
    prior_pages: float = 100.0
    prior_slope: float = 3.2
    prior_step_power: float = 0.7
    own_fade: float = 1.25**-3.0
    young_days: float = 1.5
    noise_rows: float = 2.2
    noise_power: float = 6.0
    odder_power: float = 0.75
    thin_slope: float = 3.5


SHIPPED = Constants()
"""The one set of constants that ships, for all data."""
