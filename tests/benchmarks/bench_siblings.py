"""Whether siblings would help young series: `bench_siblings.py --data folder`.

Each series is cut at a quarter of its length: what its siblings (same metric or kind of file) did before is known, it
itself begins there as a new one. The shared rate of pages is multiplied by what the siblings paged over what it
says, shrunk to 1 by three pages, or by the same factor for all. False pages and events of the first week are
counted from the first opinion on, at one false page per 30 days.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import _cache  # noqa: F401 - first
from _page_metric import F64, Curves, Labelled, curves, load
from _table import Row, publish

from detectors import Bank, rarity_threshold
from detectors._marks import MARK
from detectors.constants import SHIPPED

MONTH, WEEK_S = rarity_threshold(1 / 30), 7 * 86_400.0
PART, FEWEST_ROWS, SHRINK_PAGES, AT_RATE = 0.25, 60, 3.0, 1 / 7
GROUP: dict[str, Callable[[str], str]] = {
    "asd12": lambda name: name.split("#")[1],
    "ms_cloud_monitoring": lambda name: name.split("__")[0].rstrip("0123456789").rstrip("-"),
    "wsd": lambda _: "",
    "nab": lambda name: name.split("__")[0],
    "petshop_normal": lambda name: "__".join(name.split("__")[-2:]),
}
FACTORS = {"siblings": None, "1": 1.0, "1.4": 1.4, "2": 2.0, "3": 3.0}


def channels(one: Labelled) -> list[Labelled]:
    """A series per channel."""
    many = one.values.shape[1] > 1
    return [
        Labelled(
            f"{one.name}#{c}" if many else one.name,
            one.times_s,
            one.values[:, [c]],
            one.start,
            one.place,
            one.windows,
            one.days,
        )
        for c in range(one.values.shape[1])
    ]


def rows_of(one: Labelled, first: int, last: int, prior: float) -> tuple[Bank, F64]:
    """A bank that begins at a row, and the rarity of the rows up to another."""
    bank = Bank(1, constants=SHIPPED._replace(prior_pages=SHIPPED.prior_pages * prior))
    times = one.times_s[first:last]
    forward = np.r_[True, np.diff(times) > 0]
    rarity = np.full(len(times), np.nan)
    rarity[forward] = bank.update((times[forward] * 1e3).astype(np.int64), one.values[first:last][forward]).rarity[:, 0]
    return bank, rarity


def paged(one: Labelled) -> tuple[float, float]:
    """Pages of a series' first part at the mark where the shared rate is `AT_RATE`, and how many that would be."""
    bank, _ = rows_of(one, 0, int(len(one.times_s) * PART), 1.0)
    state, step_s = bank.snapshot(), float(np.median(np.diff(one.times_s)))
    shared = SHIPPED.prior_pages * (60.0 / step_s) ** SHIPPED.prior_step_power * MARK**-SHIPPED.prior_slope
    mark = int(np.argmin(np.abs(np.log(shared / AT_RATE))))
    return float(state["pages"][0, mark]), float(shared[mark] * state["exposure_days"][0])


def first_week(one: Labelled, prior: float) -> Curves | None:
    """What pages in the first week of a series that begins late."""
    first = int(len(one.times_s) * PART)
    last = int(np.searchsorted(one.times_s, one.times_s[first] + WEEK_S))
    if last - first < FEWEST_ROWS:
        return None
    times, place = one.times_s[first:last], one.place[first:last]
    windows = one.windows[np.unique(place[place >= 0])]
    late = Labelled(one.name, times, one.values[first:last], 0, place, windows, (times[-1] - times[0]) / 86_400)
    return curves([late], [rows_of(one, first, last, prior)[1]], np.array([MONTH]))


def set_rows(name: str, series: list[Labelled]) -> list[Row]:
    """Figures of one set."""
    groups = defaultdict(list)
    for i, one in enumerate(series):
        groups[GROUP[name](one.name)].append(i)
    seen, rows = [paged(one) for one in series], []
    for label, factor in FACTORS.items():
        false = days = found = events = 0.0
        for i, one in enumerate(series):
            others = [seen[j] for j in groups[GROUP[name](one.name)] if j != i]
            own = (sum(p for p, _ in others) + SHRINK_PAGES) / (sum(e for _, e in others) + SHRINK_PAGES)
            week = first_week(one, own if factor is None else factor)
            if week is not None:
                false, days = false + week.false.sum(), days + week.days.sum()
                found, events = found + week.found.sum(), events + week.events.sum()
        rows.append(
            Row(f"{name}, shared rate x {label}: false pages over promise", round(float(false / days * 30), 2), "x")
        )
        if events:
            rows.append(
                Row(f"{name}, shared rate x {label}: events told", round(100 * float(found / max(events, 1))), "%")
            )
    return rows


def main() -> int:
    """Measure, print, write build/bench/siblings.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with one folder per labelled set")
    folder = Path(parser.parse_args().data)
    rows: list[Row] = []
    for name in GROUP:
        rows += set_rows(name, [channel for one in load(folder / name) for channel in channels(one)])
    publish("siblings", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
