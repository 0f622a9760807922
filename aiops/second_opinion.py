"""What two slower models say of an incident, as notes beside its ranking.

An isolation forest looks at all signals of the service that hurts and of the first suspect, a forecast at one signal of
each. They change neither order nor confidence: they were not part of how either was calibrated.

Their libraries take seconds and 160 MB to import. The first ranking of a process starts that import in a thread of its
own and is answered without notes, so nobody waits for it, and a service without incidents never pays; a changing
incident is ranked again half a minute later. What the opinions take is bounded to a tenth of the time that passes: a
storm, or a long stretch of old data, is ranked as fast as before.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from threading import Lock, Thread

import numpy as np

from aiops.model import F64, Bools
from detectors.forecast import forecast_opinion
from detectors.forest import joint_opinion
from rca import Case, Column, Ranking
from rca.units import amount

log = logging.getLogger(__name__)

LIBRARIES = ("sklearn.ensemble", "statsmodels.tsa.ar_model", "statsmodels.tsa.seasonal")
SHARE = 0.1  # of the time that passes may go into opinions; chosen
SAVED_S = 5.0  # so much of it may be saved up: some ten incidents at once; chosen

RankFunction = Callable[[Case], Ranking]


def with_second_opinion(rank: RankFunction) -> RankFunction:
    """The same ranker, with notes of a second opinion once its libraries are there."""
    return SecondOpinion(rank)


class SecondOpinion:
    """A ranker whose rankings carry a second opinion in their notes. Safe to call from several threads.

    Parameters
    ----------
    rank : the ranker that is asked first
    opinions : what is noted of a case and its ranking
    load : imports what `opinions` needs
    clock : seconds, never going back

    Attributes
    ----------
    failures : opinions that ended in an error
    """

    def __init__(
        self,
        rank: RankFunction,
        *,
        opinions: Callable[[Case, Ranking], list[str]] | None = None,
        load: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rank = rank
        self._opinions = opinions or notes
        self._load = load or load_libraries
        self._clock = clock
        self._lock = Lock()
        self._left_s, self._counted_at_s = SAVED_S, clock()
        self._loading: Thread | None = None
        self._is_loaded = False
        self._last_failure = ""
        self.failures = 0

    def __call__(self, case: Case) -> Ranking:
        """Rank, and add what the second opinion notes, if it is its turn."""
        ranking = self._rank(case)
        if not self._is_ready():
            return ranking
        started_s = self._clock()
        try:
            return replace(ranking, notes=(*ranking.notes, *self._opinions(case, ranking)))
        except Exception as error:  # noqa: BLE001 - an opinion too many must not cost the ranking
            self._failed(error)
            return ranking
        finally:
            with self._lock:
                self._left_s -= self._clock() - started_s

    def wait_loaded(self) -> None:
        """Wait until an import under way has ended."""
        if self._loading is not None:
            self._loading.join()

    def _is_ready(self) -> bool:
        with self._lock:
            if self._loading is None:
                self._loading = Thread(target=self._loads, name="second opinion", daemon=True)
                self._loading.start()
                return False
            now_s = self._clock()
            self._left_s = min(SAVED_S, self._left_s + SHARE * (now_s - self._counted_at_s))
            self._counted_at_s = now_s
            return self._is_loaded and self._left_s > 0.0

    def _loads(self) -> None:
        try:
            self._load()
        except Exception:
            log.exception("second opinion is off: its libraries cannot be imported")
        else:
            self._is_loaded = True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            said = f"{type(error).__name__}: {error}"
            is_new, self._last_failure = said != self._last_failure, said
        if is_new:
            log.warning("second opinion failed count=%d", self.failures, exc_info=error)


def load_libraries() -> None:
    """Import what the models need."""
    for name in LIBRARIES:
        importlib.import_module(name)


def notes(case: Case, ranking: Ranking) -> list[str]:
    """What the models have to say of the service that hurts and of the first suspect; nothing without an opinion."""
    order = np.argsort(case.times, kind="stable")
    case = replace(case, times=case.times[order], abnormal=case.abnormal[order], values=case.values[order])
    if not case.abnormal.any():
        return []
    said = list(_joint(case, ranking))
    return said + list(_forecasts(case, ranking))


def _joint(case: Case, ranking: Ranking) -> Iterator[str]:
    before = ~case.abnormal & (case.times < case.times[case.abnormal][0])
    for service in _services(case, ranking):
        of_it = [i for i, column in enumerate(case.columns) if column.service == service]
        names = [_name(case.columns[i]) for i in of_it]
        opinion = joint_opinion(case.values[before][:, of_it], case.values[case.abnormal][:, of_it], names)
        if np.isfinite(opinion.surprise):
            yield f"{service}'s {opinion.text}"


def _forecasts(case: Case, ranking: Ranking) -> Iterator[str]:
    for i in _signals(case, ranking):
        say = partial(amount, case.columns[i].metric)
        opinion = forecast_opinion(case.times, case.values[:, i], case.abnormal, case.step_s, say)
        if opinion.verdict != "no opinion":
            yield f"{case.columns[i].service} {_name(case.columns[i])}: {opinion.text}"


def _services(case: Case, ranking: Ranking) -> list[str]:
    first = [ranking.suspects[0].service] if ranking.suspects else []
    return [s for s in dict.fromkeys([case.symptom.service, *first]) if s]


def _signals(case: Case, ranking: Ranking) -> list[int]:
    """Columns: where it hurts, and what moved most at the first suspect."""
    symptom = Column(case.symptom.service, case.symptom.metric)
    found = [case.columns.index(symptom)] if symptom in case.columns else []
    if ranking.suspects:
        first = ranking.suspects[0]
        of_it = [i for i, c in enumerate(case.columns) if c.service == first.service]
        named = [i for i in of_it if case.columns[i].metric == first.metric]
        strongest = max(named or of_it, key=lambda i: _shift(case.values[:, i], case.abnormal), default=None)
        found += [strongest] if strongest is not None else []
    return list(dict.fromkeys(found))


def _shift(values: F64, abnormal: Bools) -> float:
    """How far the middle of the abnormal rows moved, in spreads of the normal ones; -1 without values."""
    before, now = values[~abnormal & np.isfinite(values)], values[abnormal & np.isfinite(values)]
    if not len(before) or not len(now):
        return -1.0
    middle = np.median(before)
    spread = max(float(np.median(np.abs(before - middle))), 0.01 * abs(float(middle)), 1e-12)
    return abs(float(np.median(now) - middle)) / spread


def _name(column: Column) -> str:
    return f"{column.metric} to {column.peer}" if column.peer else column.metric
