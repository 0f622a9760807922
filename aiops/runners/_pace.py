"""How often the runner does what nothing else sets off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done that nothing else sets off. Seconds, all chosen.

    Parameters
    ----------
    tick_s : time passes this often when nothing comes
    report_s : counts of other parts reach the metrics; below any scrape interval
    source_s : wait before a source that failed is asked again
    store_s, longest_store_s : first and longest wait before a failed commit is tried again
    """

    tick_s: float = 1.0
    report_s: float = 2.0
    source_s: float = 60.0
    store_s: float = 0.5
    longest_store_s: float = 30.0
