"""Machine 1: blocks in, anomalies out. Pure: no clock, no I/O; one per shard of series.

The bank scores every sample and learns from every sample, incidents included: what happened before belongs to what may
happen again. What is worth telling is decided here, in `Track`s: only columns that are odd just now have one. What came
at this time on three earlier days or weeks, no larger than now, is the season's: forgiven, counted, without a track.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aiops.detection.accepted import Accepted, AcceptedLevels, accepted_of
from aiops.detection.active import Active, Start, View, Watched
from aiops.detection.changes import EASE, FEWEST_ROWS, Change, Changes, Shift, cut, named, shift_after
from aiops.detection.ensemble import Band, Ensemble, Said
from aiops.detection.explain import NO_BAND, Edges, explained
from aiops.detection.limits import Limits
from aiops.detection.maintenance import borders, why
from aiops.detection.rules import DetectionRules
from aiops.detection.told import Told
from aiops.detection.track import Row, Track, Went, anomaly_of, matters, pages, way
from aiops.model import F64, I64, Anomaly, Block, Bools
from aiops.series import SeriesTable
from aiops.wire import part_of, prefixed
from aiops.words import quantity
from detectors.rarity import rarity_threshold
from detectors.season import Forgiven

log = logging.getLogger(__name__)

ABSENCE_SURPRISE = 3.0  # chosen: a gap that long happens to this series once in a thousand samples


class Detection:
    """Turns blocks of one shard into anomalies.

    Parameters
    ----------
    table : the shard's series; it may grow between calls
    step_s : distance of rows in seconds

    Attributes
    ----------
    forgiven : deviations not followed because they recur
    is_unsaved : a level was accepted or taken back since the last snapshot
    others : how many series of other shards may page: all share one total budget
    """

    def __init__(self, table: SeriesTable, step_s: float, rules: DetectionRules | None = None) -> None:
        self.table = table
        self.rules = rules or DetectionRules()
        self.forgiven = 0
        self.others = 0
        self.view: View | None = None
        self.blind = False
        self.is_unsaved = False
        self.last_ms = -(2**62)
        budgets = self.rules.page_budget_per_30d, self.rules.evidence_budget_per_30d
        self._limits = Limits(table, *(rarity_threshold(budget / 30) for budget in budgets))
        self.ensemble = Ensemble(step_s, self.rules, self._limits)
        self._tracks: dict[int, Track] = {}
        self._told = Told()
        self._reuses = table.reuses
        self._borders_ms = borders(self.rules.maintenance)
        self._changes = Changes(self.rules.watch_change_s)
        self._accepted = AcceptedLevels()
        needed = self.rules.track.needed
        self._watching = replace(self.rules.track, needed=min(needed, max(FEWEST_ROWS, needed - 1)))

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """The last levels that were taken for normal after a change, oldest first; may be read by any thread."""
        return self._accepted.all

    @property
    def paging(self) -> int:
        """How many series may page."""
        return self._limits.paging

    def learn(self, block: Block) -> None:
        """Teach the detectors without raising anything: history, or what was already told before a restart."""
        times, values = self._spread(block)
        for rows in self._pieces(times, told=False):
            self._learn(times[rows], values[rows])

    def feed(self, block: Block) -> list[Anomaly]:
        """Score a block and return what is new about anomalies, in time order.

        The same anomaly comes once when it opens, again when it has grown or every ten minutes, and once with
        `ended_ms` set. Rows that are not after the last one fed are dropped.
        """
        times, values = self._spread(block)
        found: list[Anomaly] = []
        for rows in self._pieces(times, told=True):
            found += self._interrupt(int(times[rows][0]))
            found += self._feed(times[rows], values[rows])
            found += self._settle(int(times[rows][-1]), values[rows][-1])
        return sorted(found, key=lambda a: (a.updated_ms, a.id))

    def changed(self, services: Iterable[str], time_ms: int, kind: str = "deploy") -> None:
        """Something was changed about services at that time: watch them closely for a while.

        Say it before the rows that come after it are fed; a change told late, or again, is fine.
        """
        for service in services:
            change = self._changes.note(service, kind, time_ms, now_ms=self.last_ms)
            for column in self._limits.columns(service) if change else ():
                track = self._tracks.get(column)
                is_new = track is not None and track.shift is None and track.went != "absent"
                if track and change and is_new and change.time_ms <= track.started_ms < change.until_ms:
                    track.shift = self._shift(track, change)

    def take_back(self, accepted_id: str) -> Accepted | None:
        """Undo an accepted level: the series knows what it knew before, and is watched on if it is still out of band.

        None if there is none of that id to undo.
        """
        one = self._accepted.find(accepted_id)
        column = self.table.find(one.series) if one else None
        if one is None or column is None or not self._is_fed(np.array([column])).all():
            return None
        track, replaced = self._accepted.undo(one, self.last_ms)
        self.ensemble.bank.take_back(column, replaced)
        self._tracks.setdefault(column, replace(track, column=column))
        self.is_unsaved = True
        log.info("accepted level taken back id=%s series=%s", one.id, one.series)
        return one

    def active(self) -> Active:
        """What is under way, and what a snapshot does not have yet."""
        table, tracks = self.table, sorted(self._tracks.items())
        return Active(
            tuple(Watched(table.key(column), table.signal(column), track) for column, track in tracks),
            tuple(Start(table.key(column), table.signal(column), start) for column, start in self._told.fresh),
            self._changes.all(),
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
        self._changes.replace(saved.changes)

    def border_scores(self) -> F64:
        """How many times rarer than its budget each series' latest row is, (n,); 1.0 = border, NaN = no opinion."""
        view = self.view  # asked from the thread of a scrape while rows are fed in another
        if view is None:
            return np.full(len(self.table), np.nan)
        return np.asarray(10.0 ** np.clip(view.rarity - self._limits.usual[: len(view.rarity)], -3.0, 3.0))

    def stopped(self) -> Bools:
        """Columns (n,) that have been silent for `evict_after_s` while others had values, and have no track."""
        stopped = self.ensemble.silent()
        stopped[[column for column in self._tracks if column < len(stopped)]] = False
        return stopped

    def forget(self, columns: Sequence[int]) -> list[Anomaly]:
        """Let go of series whose columns others will have; nothing of them is left. What ends with it."""
        tracks = [track for column in columns if (track := self._tracks.pop(column, None)) is not None]
        # One began after the series was given up: it has come back, under another number.
        ended = [
            self._anomaly(track, self.last_ms, track.ended_ms() or self.last_ms, why="ended: the series had stopped")
            for track in tracks
            if track.told
        ]
        self.ensemble.forget(columns)
        self._limits.forget(columns)
        self._told.forget(columns)
        return ended

    def numbers(self) -> I64:
        """Numbers that have a series: first those that rows were fed of, then those that wait for their first."""
        numbers = np.array(self.table.numbers(), np.int64)
        is_fed = self._is_fed(numbers)
        return np.concatenate([numbers[is_fed], numbers[~is_fed]])

    def snapshot(self, numbers: I64 | None = None) -> dict[str, NDArray[np.generic]]:
        """The memory of all detectors as named arrays; what `active` gives as told is what comes after it.

        Parameters
        ----------
        numbers : what `numbers` gave, if the caller needs the same: series are numbered anew in this order
        """
        numbers = self.numbers() if numbers is None else numbers
        state = self.ensemble.snapshot(numbers[self._is_fed(numbers)])
        state |= prefixed({"told": self._told.to_arrays(numbers), "accepted": self._accepted.to_arrays()})
        self._told.saved()
        self.is_unsaved = False
        return state | {"last_ms": np.array([self.last_ms])}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up a snapshot. Raises ValueError, KeyError or StoreError when its layout is not ours."""
        self.ensemble.restore(state)
        self._told.from_arrays(part_of(state, "told"))
        self._accepted.from_arrays(part_of(state, "accepted"))
        self.last_ms = int(state["last_ms"][0])

    # -- inside

    def _spread(self, block: Block) -> tuple[I64, F64]:
        """The block as rows over all columns of the bank; rows that are not new are left out."""
        fresh, n = block.times > self.last_ms, self.table.width
        if n > len(self._limits.usual):
            self.ensemble.grow(n)
        self._adopt()
        if self.rules.page_budget_total_per_week:
            self._limits.share(self.rules.page_budget_total_per_week / 7, self.others)
        values = block.values[fresh]
        if len(block.ids) != n or not np.array_equal(block.ids, np.arange(n)):
            wide = np.full((len(values), n), np.nan)
            wide[:, block.ids] = values
            values = wide
        return block.times[fresh], np.ascontiguousarray(values)

    def _is_fed(self, numbers: I64) -> Bools:
        used = self.ensemble.bank.used
        known = numbers < len(used)
        known[known] = used[numbers[known]]
        return known

    def _adopt(self) -> None:
        """Take in series that were given the numbers of others."""
        if self._reuses == (reuses := self.table.reuses):
            return
        self._reuses = reuses
        new = [column for column in np.flatnonzero(~self.ensemble.bank.used).tolist() if self.table.named(column)]
        self.ensemble.adopt(new)
        self._limits.adopt(new)

    def _eased(self, times: I64) -> F64:
        return self._limits.eased(self._changes.within(int(times[0]), int(times[-1])) if len(self._changes) else ())

    def _pieces(self, times: I64, *, told: bool) -> Iterator[slice]:
        """Stretches of rows that may be scored together: what is accepted or frozen changes the detectors."""
        start = 0
        while start < len(times):
            due_ms = self._due_ms(int(times[start])) if told else ()
            end = cut(times, start, due_ms, self._borders_ms)
            yield slice(start, end)
            start = end

    def _due_ms(self, now_ms: int) -> list[int]:
        """When it may be that a level is accepted."""
        self._changes.forget(now_ms)
        return [c.until_ms for c in self._changes.all()] + [shift.due_ms for _, shift in self._undecided()]

    def _undecided(self) -> list[tuple[Track, Shift]]:
        return [(t, t.shift) for t in self._tracks.values() if t.shift is not None and not t.shift.is_decided]

    def _learn(self, times: I64, values: F64) -> None:
        rarity = self._score(times, values).rarity
        for i, column in np.argwhere(rarity >= self._eased(times)):
            row = Row(int(times[i]), float(values[i, column]), float("nan"), float(rarity[i, column]))
            deviates = self._deviates(int(i), int(column), row)
            if deviates is not None:
                self._recurs(int(i), int(column), row, deviates[0])
        del self._said

    def _feed(self, times: I64, values: F64) -> Iterator[Anomaly]:
        said = self._score(times, values)
        rarity, missing, surprise = said.rarity, said.missing, said.verdicts.surprise
        hot = np.flatnonzero(np.nanmax(rarity, axis=0, initial=-np.inf) >= self._eased(times))
        gone = np.flatnonzero(np.nanmax(missing, axis=0, initial=-np.inf) >= ABSENCE_SURPRISE)
        for column in sorted({*hot.tolist(), *gone.tolist(), *self._tracks}):
            scored = zip(times, values[:, column], surprise[:, column], rarity[:, column], strict=True)
            rows = (Row(int(t), float(v), float(s), float(r)) for t, v, s, r in scored)
            yield from self._follow(column, rows, missing[:, column])
        del self._said  # a dozen arrays, which would be kept beside those of the next rows

    def _interrupt(self, now_ms: int) -> Iterator[Anomaly]:
        """End what maintenance has begun on."""
        for column, track in sorted(self._tracks.items()):
            reason = why(self.rules.maintenance, self.table.key(column).service, now_ms)
            if reason:
                del self._tracks[column]
                if track.told:
                    yield self._anomaly(track, now_ms, track.back_ms or now_ms, why=f"ended by {reason}")

    def _settle(self, now_ms: int, values: F64) -> Iterator[Anomaly]:
        """Accept the shifts that are due and last in this row."""
        for track, shift in self._undecided():
            lasts = track.told and not track.back_ms and np.isfinite(values[track.column])
            if now_ms < shift.due_ms or not lasts or self._hurts(self.table.key(track.column).service):
                continue
            shift.is_decided = True
            if shift.is_level(track.expected):
                yield self._accept(track, shift, now_ms)

    def _hurts(self, service: str) -> bool:
        """Whether people are told that a service hurts: what the change did to it is no normal level then."""
        tracks = (self._tracks.get(column) for column in self._limits.columns(service))
        return any(t is not None and t.told and pages(t, self.table.signal(t.column)) for t in tracks)

    def _accept(self, track: Track, shift: Shift, now_ms: int) -> Anomaly:
        level = quantity(shift.level, self.table.signal(track.column).unit)
        words = f"accepted after the {named(shift.kind)}: {level} is the new normal"
        anomaly = self._anomaly(track, now_ms, now_ms, why=words)
        one = accepted_of(anomaly, shift, now_ms)
        self._accepted.add(one, track, self.ensemble.bank.accept(track.column))
        del self._tracks[track.column]
        self.is_unsaved = True
        log.info("level accepted id=%s series=%s change=%s", one.id, one.series, one.change)
        return anomaly

    def _score(self, times: I64, values: F64) -> Said:
        self._said = said = self.ensemble.update(times, values, self._tracks)
        self.last_ms, self.blind = int(times[-1]), self.ensemble.blind
        self.view = View(
            self.last_ms,
            said.rarity[-1],
            *(row[-1] for row in (said.verdicts.expected, said.verdicts.lower, said.verdicts.upper)),
        )
        return said

    def _follow(self, column: int, rows: Iterator[Row], missing: F64) -> Iterator[Anomaly]:
        signal = self.table.signal(column)
        for i, row in enumerate(rows):
            track = self._tracks.get(column)
            if track is None:
                track = self._begin(column, i, row, float(missing[i]))
                if track is None:
                    continue
                self._tracks[column] = track
            news = track.step(row, signal, self._watching if track.shift else self.rules.track)
            if news == "opened":
                track.follows(self._told.note(column, track.started_ms), self.rules.track)
            if news in ("opened", "updated", "closed"):
                ended_ms = track.ended_ms() if news == "closed" else None
                yield self._anomaly(track, row.time_ms, ended_ms, self._said.usual_band(i, column)[1:])
            if news in ("closed", "dropped"):
                del self._tracks[column]

    def _begin(self, column: int, i: int, row: Row, missing: float) -> Track | None:
        if missing >= ABSENCE_SURPRISE:
            nan = float("nan")
            return Track(column, "absent", row.time_ms, nan, nan, nan, quick=False, surprise=missing)
        deviates = self._deviates(i, column, row)
        if deviates is None:
            return None
        went, band = deviates
        usual = self._recurs(i, column, row, went)
        if usual:
            self.forgiven += usual == "begins"
            return None
        quick = bool(row.rarity >= self._limits.usual[column] + 1.0)
        # The bank knows its parts' words of its latest row only: of an earlier one nothing is said rather than guessed.
        heard = self.ensemble.bank.spoke(column) if i == len(self._said.rarity) - 1 else {}
        spoke = tuple(sorted(heard.items(), key=lambda kv: (-kv[1], kv[0])))
        counts = tuple(self.ensemble.bank.counts(column).items()) if heard else ()
        track = Track(column, went, row.time_ms, *band, quick, detectors=spoke, counts=counts)
        change = self._changes.at(self.table.key(column).service, row.time_ms)
        track.shift = self._shift(track, change) if change else None
        track.jumped = self._said.jumped(i, column, track.expected)
        return track

    def _shift(self, track: Track, change: Change) -> Shift:
        now_ms = max(track.started_ms, self.last_ms) if track.rows else track.started_ms
        return shift_after(change, track.started_ms, now_ms, pages=self.table.signal(track.column).pages)

    def _deviates(self, i: int, column: int, row: Row) -> tuple[Went, Band] | None:
        """The bad way in which a row is rarer than its budget by an amount that matters, and the band it left; or None.

        Of a climb the rows before have seen most: then what is usual at this hour says how far it has come.
        """
        watched = len(self._changes) and self._changes.at(self.table.key(column).service, row.time_ms)
        if not row.rarity >= self._limits.usual[column] - (EASE if watched else 0.0):
            return None
        signal = self.table.signal(column)
        for band in (self._said.band(i, column), self._said.usual_band(i, column)):
            went = way(row.value, band.lower, band.upper, signal)
            if went and matters(row.value, band.expected, signal):
                return went, band
        return None

    def _recurs(self, i: int, column: int, row: Row, went: Went) -> Forgiven:
        usual = self._said.usual_band(i, column)
        inside = usual.lower <= row.value <= usual.upper
        return self.ensemble.season.forgives(column, row.time_ms, up=went == "up", inside=inside)

    def _anomaly(
        self, track: Track, now_ms: int, ended_ms: int | None, usual: Edges = NO_BAND, why: str = ""
    ) -> Anomaly:
        key, signal = self.table.key(track.column), self.table.signal(track.column)
        anomaly = anomaly_of(track, key, signal, now_ms, ended_ms)
        return explained(anomaly, track, usual=usual, ended=why)
