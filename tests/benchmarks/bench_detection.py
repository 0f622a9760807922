"""Figures of detection: `make bench-detection DATA=folder`.

The folder holds one folder per labelled set (a Parquet file and labels.json each). Cost and calibration on plain noise
are measured without it. Every set is scored with the one parameter set the package ships. Only the rows on how far the
choice of constants carries (_constants_choice.py) fit anything, and show it on what it was not fitted on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import _cache  # noqa: F401 - first
import _constants_choice as choice
from _detection_peers import F64, Peer, peers
from _joint_choice import joint_halves
from _nab_score import FALSE_WEIGHT, nab_score
from _noise_promise import FEW, PLANS, promise
from _page_metric import BUDGETS, Curves, Labelled, curves, load, point_f1
from _releases import add_release
from _table import Row, at_least, at_most, publish

from detectors import DETECTORS, Bank, Novelty, Season, rarity_threshold
from detectors.checks import NOISES, surprise_shares
from detectors.constants import SHIPPED, Constants
from detectors.joint import DISTANCE_WEIGHT, UNIT, Joint

PAGE_SETS = ("kpi_aiops2018", "wsd", "ms_cloud_monitoring")
OTHER_SETS = ("petshop_normal", "nab")
JOINT_SET = "asd12"
PAGE = Path(__file__).parents[2] / "docs" / "detection_results.md"
DEFAULT = ("bank", "season", "absence")
MONTH = rarity_threshold(1 / 30)
GRID = np.unique(np.r_[np.arange(-3.0, 4.0, 0.04), [rarity_threshold(rate) for rate in BUDGETS.values()]])


def bank_scores(series: Sequence[Labelled], constants: Constants = SHIPPED) -> list[F64]:
    """Rarity of every row; rows at which the clock stands still have none."""
    return [_forward(one, Bank(1, constants=constants)) for one in series]


def joint_scores(series: Sequence[Labelled], weight: float = DISTANCE_WEIGHT, unit: float = UNIT) -> list[F64]:
    """Rarity of every row of services with several channels."""
    return [_forward(one, Joint(one.values.shape[1], distance_weight=weight, unit=unit)) for one in series]


def _forward(one: Labelled, detector: Bank | Joint) -> F64:
    forward = np.r_[True, np.diff(one.times_s) > 0]
    score = np.full(len(forward), np.nan)
    times_ms = (one.times_s[forward] * 1e3).astype(np.int64)
    score[forward] = detector.update(times_ms, one.values[forward]).rarity[:, 0]
    return score


def cost_rows() -> list[Row]:
    """Microseconds a point, for many series at once and for one series at length."""
    rng, n = np.random.default_rng(0), 100_000
    bank = Bank(n)
    bank.update(np.arange(80) * 15_000, rng.standard_normal((80, n)))
    ticks = []
    for tick in range(80, 110):
        values = rng.standard_normal((1, n))
        began = time.process_time()
        bank.update(np.array([tick * 15_000]), values)
        ticks.append((time.process_time() - began) / n * 1e6)
    long = rng.standard_normal((1_000_000, 1))
    began = time.process_time()
    Bank(1).update(np.arange(1_000_000) * 15_000, long)
    alone = time.process_time() - began
    sizes = {part: DETECTORS[part](1).state_bytes_per_series for part in DEFAULT}
    return [
        at_most("cost, 100,000 series, median tick", round(float(np.median(ticks)), 3), "us/point", 0.25),
        at_most("cost, 1 series of 1,000,000 rows", round(alone, 3), "us/point", 0.25),
        *others_cost_rows(),
        *(Row(f"state, {part}", size, "bytes/series") for part, size in sizes.items()),
        at_most("state, the whole default bank", sum(sizes.values()), "bytes/series", 1_024),
    ]


def others_cost_rows() -> list[Row]:
    """Microseconds a point of what is asked beside the bank, for many series at once."""
    rng, n, rows = np.random.default_rng(0), 100_000, []
    for part in DEFAULT[1:]:
        detector = DETECTORS[part](n)
        detector.update(np.arange(20) * 15_000, rng.standard_normal((20, n)))
        values = rng.standard_normal((20, n))
        began = time.process_time()
        detector.update(np.arange(20, 40) * 15_000, values)
        cost = (time.process_time() - began) / values.size * 1e6
        rows.append(Row(f"cost, 100,000 series, {part}", round(cost, 3), "us/point"))
    return rows


def noise_rows() -> list[Row]:
    """Surprise and pages on plain noise, as multiples of what they promise."""
    rows = []
    for noise in NOISES:
        for step_s in sorted({plan.step_s for plan in PLANS}):
            shares = surprise_shares(Bank, noise, step_s)
            worst = max(shares.values(), key=lambda share: max(share, 1 / max(share, 1e-9)))
            rows.append(_within(f"surprise on {noise}, step {step_s} s, worst of k = 2..5", worst, 3.0))
    for one in promise():
        figure, over = f"pages on {one.noise}, step {one.step_s} s, {one.age}, over 1/30 d", one.pages / one.promised
        rows.append(_within(figure, over, 2.0) if one.promised >= FEW else Row(figure, round(over, 2), "x"))
    return rows


def _within(figure: str, value: float, factor: float) -> Row:
    met = bool(1 / factor <= value <= factor)
    return Row(figure, round(value, 2), "x", f"within {factor:g}x of 1", met)


def page_rows_of(name: str, seen: Curves) -> list[Row]:
    """Recall within each budget, precision, and the two halves of the series on their own."""
    rows = []
    for budget, rate in BUDGETS.items():
        recall, precision = seen.best(rate)
        rows.append(Row(f"{name}: R@1/{budget}", round(recall, 1), "%"))
        rows.append(Row(f"{name}: precision at 1/{budget}", round(precision, 1), "%"))
    even = np.arange(len(seen.events)) % 2 == 0
    for half, which in (("even", even), ("odd", ~even)):
        rows.append(Row(f"{name}: R@1/week, {half} series", round(seen.some(which).best(1 / 7)[0], 1), "%"))
    return rows


def nab_rows(series: Sequence[Labelled], rarity: Sequence[F64]) -> list[Row]:
    """NAB's own score, of the bank, and of novelty and season with a day of quiet after an onset."""
    rows, windows = [], [one.windows for one in series]
    others: dict[str, Callable[[], Novelty | Season]] = {
        "novelty of 96 rows": lambda: Novelty(1, 96),
        "novelty of 1000 rows": lambda: Novelty(1, 1_000),
        "season": lambda: Season(1),
    }
    for other, make in others.items():
        name = f"{other}, a day of quiet"
        scores = [quiet_after(one.times_s, surprise_scores(one, make())) for one in series]
        rows += [Row(f"nab: {name}: {p}", round(nab_score(scores, windows, p), 1)) for p in FALSE_WEIGHT]
    for profile, goal in (("standard", 75.0), ("low FP", 67.0)):
        rows.append(at_least(f"nab: bank: {profile}", round(nab_score(rarity, windows, profile), 1), "", goal))
    return rows


def surprise_scores(one: Labelled, detector: Novelty | Season) -> F64:
    """Surprise of every row; rows at which the clock stands still have none."""
    forward = np.r_[True, np.diff(one.times_s) > 0]
    score = np.full(len(forward), np.nan)
    said = detector.update((one.times_s[forward] * 1e3).astype(np.int64), one.values[forward])
    score[forward] = said.surprise[:, 0]
    return score


def quiet_after(times_s: F64, score: F64, quiet_s: float = 86_400.0) -> F64:
    """Keep a score only where it exceeds all of the quiet time before it."""
    kept, highest = np.full(len(score), np.nan), deque[int]()
    for row in np.flatnonzero(np.isfinite(score)):
        while highest and times_s[row] - times_s[highest[0]] > quiet_s:
            highest.popleft()
        while highest and score[highest[-1]] < score[row]:
            highest.pop()
        if not highest:
            kept[row] = score[row]
        highest.append(row)
    return kept


def promise_rows(seen: dict[str, Curves]) -> list[Row]:
    """False pages over promise as shipped, and with one scale fitted on all other sets (leave one set out)."""
    rows, shift = [], np.arange(-1.0, 1.01, 0.04)
    over = {name: np.array([max(c.over_promise(MONTH + s, 1 / 30), 1e-3) for s in shift]) for name, c in seen.items()}
    for name in seen:
        rows.append(_within(f"{name}: false pages of the page column over promise", over[name][len(shift) // 2], 2.0))
        others = np.mean([np.log(over[other]) for other in seen if other != name], axis=0)
        fitted = int(np.argmin(np.abs(others)))
        rows.append(_within(f"{name}: the same, scale fitted on the other sets", float(over[name][fitted]), 2.0))
    return rows


def choice_rows(data: dict[str, list[Labelled]], paging: Sequence[str], count: int) -> list[Row]:
    """What constants chosen on some of the data do on the rest."""
    tried = choice.look(data, bank_scores, GRID, count)
    rows = []
    for half, own, other in choice.halves(tried, paging):
        rows.append(Row(f"constants chosen on the {half} series: mean R@1/week there", round(own, 1), "%"))
        rows.append(at_least(f"{half} series, constants chosen on the others", round(other, 1), "%", round(own - 4, 1)))
    for name in data:
        seen = choice.left_out(tried, name)
        over = seen.over_promise(MONTH, BUDGETS["30 d"])
        rows.append(_within(f"{name}: false pages over promise, constants chosen on the other sets", over, 2.0))
        if name in paging:
            recall, _ = seen.best(BUDGETS["week"])
            rows.append(at_least(f"{name}: R@1/week, constants chosen on the other sets", round(recall, 1), "%", 75.0))
    return rows


def joint_rows(series: list[Labelled], scores: list[F64]) -> list[Row]:
    """Quality of the joint detector, as shipped and on each half with constants chosen on the other half."""
    rows = [
        at_least("asd12 joint: R@1/day", round(curves(series, scores).best(1.0)[0], 1), "%", 80.0),
        at_least("asd12 joint: point F1, no adjustment", round(point_f1(series, scores), 3), "", 0.5),
    ]
    for half, weight, unit, seen in joint_halves(series, joint_scores, GRID):
        name = f"asd12 joint, {half} half, chosen on the other (weight {weight:g}, unit {unit:g})"
        rows.append(at_least(f"{name}: R@1/day", round(seen.day_recall, 1), "%", 80.0))
        rows.append(at_least(f"{name}: point F1", round(seen.f1, 3), "", 0.5))
        rows.append(_within(f"{name}: false pages over promise", seen.over, 2.0))
    return rows


def peer_rows(data: dict[str, list[Labelled]], found: dict[str, Peer], every: int) -> list[Row]:
    """R@1/week and cost of peers and bank on every few series of each set."""
    rows = []
    for name, series in data.items():
        some = series[::every]
        points = sum(len(one.values) for one in some)
        for peer, score in {"bank": None, **found}.items():
            if score is not None:  # imports and compiling are no cost of a point
                score(some[0].times_s[:300], some[0].values[:300, 0])
            began = time.process_time()
            scores = bank_scores(some) if score is None else [score(one.times_s, one.values[:, 0]) for one in some]
            cost = (time.process_time() - began) / points * 1e6
            if not any(np.isfinite(one).any() for one in scores):
                continue
            recall, _ = curves(some, scores).best(1 / 7)
            rows.append(Row(f"{name}: {peer}: R@1/week", round(recall, 1), "%"))
            rows.append(Row(f"{name}: {peer}: cost", round(cost, 2), "us/point"))
    return rows


def data_rows(folder: Path, *, slow: bool, every: int, candidates: int) -> list[Row]:
    """All figures that need labelled data."""
    sets = [name for name in (*PAGE_SETS, *OTHER_SETS, JOINT_SET) if (folder / name / "labels.json").exists()]
    data = {name: load(folder / name) for name in sets}
    scores = {name: (joint_scores if name == JOINT_SET else bank_scores)(series) for name, series in data.items()}
    seen = {name: curves(data[name], scores[name], GRID) for name in sets}
    swept = {name: curves(data[name], scores[name]) for name in sets if name != "petshop_normal"}
    rows = promise_rows(seen)
    paging = [name for name in PAGE_SETS if name in sets]
    for name in [*paging, *(["nab"] if "nab" in sets else [])]:
        rows += page_rows_of(name, swept[name])
        rows.append(Row(f"{name}: recall of the page column", round(seen[name].recall_at(MONTH), 1), "%"))
    if len(paging) == len(PAGE_SETS):
        for budget, goal in (("week", 84.0), ("30 d", 65.0)):
            mean = float(np.mean([swept[name].best(BUDGETS[budget])[0] for name in paging]))
            rows.append(at_least(f"mean R@1/{budget} of KPI, WSD, MS", round(mean, 1), "%", goal))
    if "nab" in sets:
        rows += nab_rows(data["nab"], scores["nab"])
    if JOINT_SET in sets:
        rows += joint_rows(data[JOINT_SET], scores[JOINT_SET])
    rows += choice_rows({name: one for name, one in data.items() if name != JOINT_SET}, paging, candidates)
    return rows + peer_rows({name: data[name] for name in paging}, peers(slow=slow), every)


def main() -> int:
    """Measure, print, write build/bench/detection.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="folder with one folder per labelled set")
    parser.add_argument("--noise", action="store_true", help="plain noise only, about two minutes")
    parser.add_argument("--slow", action="store_true", help="also the peers that take minutes")
    parser.add_argument("--every", type=int, default=8, help="peers are measured on every few series only")
    parser.add_argument("--candidates", type=int, default=30, help="sets of constants tried to see how choices carry")
    parser.add_argument(
        "--release", default="", help="write the figures into docs/detection_results.md under this name"
    )
    args = parser.parse_args()
    if args.noise:
        publish("detection", noise_rows())
        return 0
    rows = cost_rows() + noise_rows()
    folder = Path(args.data)
    if args.data and any(folder.glob("*/labels.json")):
        rows += data_rows(folder, slow=args.slow, every=args.every, candidates=args.candidates)
    else:
        print(f"no labelled data in {args.data or 'DATA='}: cost and noise only")
    written = publish("detection", rows)
    if args.release:
        add_release(PAGE, args.release, json.loads(written.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
