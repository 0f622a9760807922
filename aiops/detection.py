"""Machine 1: blocks in, anomalies out. Pure: no clock, no I/O; one per shard of series.

The bank scores every sample and learns from every sample, incidents included: what happened before belongs to what may
happen again. Whether a deviation is worth telling is decided here, in `Track`s: only columns that are odd just now have
one, so that the rest of the block costs one comparison a sample. A deviation that came at this time on three earlier
days or weeks, and is no larger than then, is the season's: it is forgiven, counted, and has no track.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aiops._explain import at_this_hour, explanation
from aiops._told import Told
from aiops._track import Row, Track, TrackRules, Went, matters, way
from aiops.model import F64, I64, Anomaly, Block, SeriesKey, Signal
from aiops.series import SeriesTable, anomaly_id
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.rarity import level_rarity, rarity_threshold
from detectors.season import Forgiven, Season

ABSENCE_SURPRISE = 3.0  # chosen: a gap that long happens to this series once in a thousand samples
BLIND_SHARE = 0.8  # chosen: when this share of all series is missing at once, it is the source that is gone


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """Thresholds of a shard.

    Parameters
    ----------
    page_budget_per_30d : false pages per paging series and 30 days
    evidence_budget_per_30d : the same for signals that only explain
    track : when a deviation is told and when it ends
    utc_offset_s : local time minus UTC, by whose clock patterns recur
    """

    page_budget_per_30d: float = 1.0
    evidence_budget_per_30d: float = 8.0
    track: TrackRules = field(default_factory=TrackRules)
    utc_offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A deviation being watched, with all that a restart needs."""

    series: SeriesKey
    signal: Signal
    track: Track


@dataclass(frozen=True, slots=True)
class Start:
    """When a deviation began that people were told of."""

    series: SeriesKey
    signal: Signal
    started_ms: int


@dataclass(frozen=True, slots=True)
class Active:
    """What a detection is in the middle of: small, saved with every cycle.

    `told` holds what was told since the last snapshot; the rest is in the snapshot.
    """

    tracks: tuple[Watched, ...] = ()
    told: tuple[Start, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What the bank said of the latest row, all arrays (n,): for `/metrics`."""

    time_ms: int
    rarity: F64
    expected: F64
    lower: F64
    upper: F64


class Detection:
    """Turns blocks of one shard into anomalies.

    Parameters
    ----------
    table : the shard's series; it may grow between calls
    step_s : distance of rows in seconds

    Attributes
    ----------
    forgiven : deviations fed so far that were not followed because they recur at their time of day or week
    """

    def __init__(self, table: SeriesTable, step_s: float, rules: DetectionRules | None = None) -> None:
        self.table = table
        self.rules = rules or DetectionRules()
        self.bank = Bank(0, step_s)
        self.absence = Absence(0)
        self.season = Season(0, step_s, self.rules.utc_offset_s)
        self.forgiven = 0
        self.view: View | None = None
        self.blind = False
        self.last_ms = -(2**62)
        self._page = rarity_threshold(self.rules.page_budget_per_30d / 30)
        self._evidence = rarity_threshold(self.rules.evidence_budget_per_30d / 30)
        self._thresholds = np.zeros(0)
        self._tracks: dict[int, Track] = {}
        self._told = Told()

    def learn(self, block: Block) -> None:
        """Teach the detectors without raising anything: history, or what was already told before a restart."""
        times, values = self._spread(block)
        if not len(times):
            return
        rarity, _, _ = self._score(times, values)
        for i, column in np.argwhere(rarity >= self._thresholds):
            row = Row(int(times[i]), float(values[i, column]), float("nan"), float(rarity[i, column]))
            went = self._deviates(int(i), int(column), row)
            if went is not None:
                self._recurs(int(i), int(column), row, went)

    def feed(self, block: Block) -> list[Anomaly]:
        """Score a block and return what is new about anomalies, in time order.

        The same anomaly comes once when it opens, again when it has grown or every ten minutes, and once with
        `ended_ms` set. Rows that are not after the last one fed are dropped.
        """
        times, values = self._spread(block)
        if not len(times):
            return []
        rarity, surprise, missing = self._score(times, values)
        hot = np.flatnonzero(np.nanmax(rarity, axis=0, initial=-np.inf) >= self._thresholds)
        gone = np.flatnonzero(np.nanmax(missing, axis=0, initial=-np.inf) >= ABSENCE_SURPRISE)
        columns = sorted({*hot.tolist(), *gone.tolist(), *self._tracks})
        found: list[Anomaly] = []
        for column in columns:
            scored = zip(times, values[:, column], surprise[:, column], rarity[:, column], strict=True)
            rows = (Row(int(t), float(v), float(s), float(r)) for t, v, s, r in scored)
            found += self._follow(column, rows, missing[:, column])
        return sorted(found, key=lambda a: (a.updated_ms, a.id))

    def active(self) -> Active:
        """What is under way, and what a snapshot does not have yet."""
        table, tracks = self.table, sorted(self._tracks.items())
        return Active(
            tuple(Watched(table.key(column), table.signal(column), track) for column, track in tracks),
            tuple(Start(table.key(column), table.signal(column), start) for column, start in self._told.fresh),
        )

    def resume(self, saved: Active) -> None:
        """Go on with what `active` gave before a restart, also with series that have not been seen again yet."""
        self._tracks = {}
        for one in saved.tracks:
            column = self.table.add(one.series, one.signal)
            if column >= 0:
                self._tracks[column] = replace(one.track, column=column)
        for start in saved.told:
            column = self.table.add(start.series, start.signal)
            if column >= 0:
                self._told.note(column, start.started_ms)

    def border_scores(self) -> F64:
        """How many times rarer than its budget each series' latest row is, (n,); 1.0 = border, NaN = no opinion."""
        if self.view is None:
            return np.full(len(self.table), np.nan)
        over = self.view.rarity - self._thresholds[: len(self.view.rarity)]
        return np.asarray(10.0 ** np.clip(over, -3.0, 3.0))

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The memory of all detectors as named arrays; what `active` gives as told is what comes after it."""
        parts = {"bank": self.bank.snapshot(), "absence": self.absence.snapshot(), "season": self.season.snapshot()}
        parts |= {"told": self._told.to_arrays()}
        self._told.saved()
        state: dict[str, NDArray[np.generic]] = {f"{p}.{k}": v for p, s in parts.items() for k, v in s.items()}
        return state | {"last_ms": np.array([self.last_ms])}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up a snapshot. Raises ValueError when its layout is not ours."""
        for name, part in (("bank", self.bank), ("absence", self.absence), ("season", self.season)):
            part.restore(_part(state, name))
        self._told.from_arrays(_part(state, "told"))
        self.last_ms = int(state["last_ms"][0])

    # -- inside

    def _spread(self, block: Block) -> tuple[I64, F64]:
        """The block as rows over all columns of the bank; rows that are not new are left out."""
        fresh = block.times > self.last_ms
        n = len(self.table)
        if n > len(self._thresholds):
            self.bank.grow(n)
            self.absence.grow(n)
            self.season.grow(n)
            limits = [self._page if signal.pages else self._evidence for _, signal in self.table.items()]
            self._thresholds = np.array(limits)
        values = block.values[fresh]
        if len(block.ids) != n or not np.array_equal(block.ids, np.arange(n)):
            wide = np.full((len(values), n), np.nan)
            wide[:, block.ids] = values
            values = wide
        return block.times[fresh], np.ascontiguousarray(values)

    def _score(self, times: I64, values: F64) -> tuple[F64, F64, F64]:
        verdicts = self.bank.update(times, values)
        missing = self.absence.update(times, values).surprise
        self._usual = self.season.update(times, values)
        present = ~np.isnan(values).all(axis=0)
        known = np.isfinite(missing).any(axis=0) | present
        self.blind = bool(known.any() and (known & ~present).sum() > BLIND_SHARE * known.sum())
        if self.blind:
            missing = np.full_like(missing, np.nan)
        self.last_ms = int(times[-1])
        self._verdicts = verdicts
        last = (level_rarity(verdicts.rarity[-1]), verdicts.expected[-1], verdicts.lower[-1], verdicts.upper[-1])
        self.view = View(self.last_ms, *last)
        return level_rarity(verdicts.rarity), verdicts.surprise, missing

    def _follow(self, column: int, rows: Iterator[Row], missing: F64) -> Iterator[Anomaly]:
        signal = self.table.signal(column)
        for i, row in enumerate(rows):
            track = self._tracks.get(column)
            if track is None:
                track = self._begin(column, i, row, float(missing[i]))
                if track is None:
                    continue
                self._tracks[column] = track
            news = track.step(row, signal, self.rules.track)
            if news == "opened":
                track.earlier_ms = self._told.note(column, track.started_ms)
            if news in ("opened", "updated", "closed"):
                usual = self._usual.lower[i, column], self._usual.upper[i, column]
                yield self._anomaly(track, row.time_ms, track.ended_ms() if news == "closed" else None, usual)
            if news in ("closed", "dropped"):
                del self._tracks[column]

    def _begin(self, column: int, i: int, row: Row, missing: float) -> Track | None:
        if missing >= ABSENCE_SURPRISE:
            nan = float("nan")
            return Track(column, "absent", row.time_ms, nan, nan, nan, quick=False, surprise=missing)
        went = self._deviates(i, column, row)
        if went is None:
            return None
        usual = self._recurs(i, column, row, went)
        if usual:
            self.forgiven += usual == "begins"
            return None
        expected, lower, upper = self._band(i, column)
        quick = bool(row.rarity >= self._thresholds[column] + 1.0)
        spoke = tuple(sorted(self.bank.spoke(column).items(), key=lambda kv: (-kv[1], kv[0])))
        return Track(column, went, row.time_ms, expected, lower, upper, quick, detectors=spoke)

    def _band(self, i: int, column: int) -> tuple[float, float, float]:
        v = self._verdicts
        return float(v.expected[i, column]), float(v.lower[i, column]), float(v.upper[i, column])

    def _deviates(self, i: int, column: int, row: Row) -> Went | None:
        """The bad way in which a row is rarer than its budget by an amount that matters, or None."""
        if not row.rarity >= self._thresholds[column]:
            return None
        signal, (expected, lower, upper) = self.table.signal(column), self._band(i, column)
        went = way(row.value, lower, upper, signal)
        return went if matters(row.value, expected, signal) else None

    def _recurs(self, i: int, column: int, row: Row, went: Went) -> Forgiven:
        inside = bool(self._usual.lower[i, column] <= row.value <= self._usual.upper[i, column])
        return self.season.forgives(column, row.time_ms, up=went == "up", inside=inside)

    def _anomaly(self, track: Track, now_ms: int, ended_ms: int | None, usual: tuple[float, float]) -> Anomaly:
        key, signal = self.table.key(track.column), self.table.signal(track.column)
        # Only lost traffic is felt when a series vanishes; other series of the service vanish with it.
        pages = signal.pages and (track.went != "absent" or signal.kind == "traffic")
        anomaly = Anomaly(
            id=anomaly_id(key, track.started_ms),
            series=key,
            kind=signal.kind,
            unit=signal.unit,
            went=track.went,
            pages=pages,
            started_ms=track.started_ms,
            updated_ms=now_ms,
            ended_ms=ended_ms,
            value=track.value,
            expected=track.expected,
            lower=track.lower,
            upper=track.upper,
            surprise=track.surprise,
            rarity=track.rarity,
            detectors=track.detectors,
        )
        return replace(anomaly, explanation=explanation(anomaly, track.earlier_ms, at_this_hour(signal.unit, *usual)))


def _part(state: dict[str, NDArray[np.generic]], name: str) -> dict[str, NDArray[np.generic]]:
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
