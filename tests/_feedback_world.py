"""Weeks of a system with noisy series and true incidents, and a person who says of each page what it was."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aiops.model import Block, Incident, SeriesKey, Signal
from aiops.pipeline import Pipeline, Shard
from aiops.policy import Policy
from aiops.runners.replay import Replay
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.triage import Triage, TriageSettings
from aiops.verdicts import VerdictBook, VerdictRules
from rca import Case, Ranking
from tests._verdict_world import Shelf

STEP_S = 60
ROWS_A_WEEK = 7 * 1440
START_MS = 1_699_833_600_000
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.02, min_relative=0.2)
SERVICES, NOISY = 16, 5
TEACHING_DAYS = 3


@dataclass
class Weeks:
    """Values (t, n) and the stretches in them, as (column, first row, last row)."""

    values: np.ndarray
    noise: list[tuple[int, int, int]] = field(default_factory=list)
    true: list[tuple[int, int, int]] = field(default_factory=list)


def weeks_of(seed: int, weeks: int = 6, noisy_a_week: int = 4, true_a_week: int = 3) -> Weeks:
    """Noise: each noisy series has bursts whose size varies by a third. True: any series, three to six times the noise.

    Stretches keep an hour and a half of distance, so that each is an incident of its own.
    """
    rng = np.random.default_rng(seed)
    rows = weeks * ROWS_A_WEEK
    level = rng.uniform(0.1, 0.4, SERVICES)
    made = Weeks(level * np.exp(0.05 * rng.standard_normal((rows, SERVICES))))
    free = np.ones(rows, bool)
    free[: TEACHING_DAYS * 1440] = False
    free[-300:] = False
    for week in range(weeks):
        wanted = [(column, "noise") for column in range(NOISY) for _ in range(noisy_a_week)]
        wanted += [(int(rng.integers(SERVICES)), "true") for _ in range(true_a_week)]
        for column, what in wanted:
            open_rows = np.flatnonzero(free[week * ROWS_A_WEEK : (week + 1) * ROWS_A_WEEK]) + week * ROWS_A_WEEK
            if not len(open_rows):
                continue
            first = int(rng.choice(open_rows))
            length = int(rng.integers(6, 20))
            times = np.exp(0.3 * rng.standard_normal()) if what == "noise" else rng.uniform(3.0, 6.0)
            made.values[first : first + length, column] += 1.0 * level[column] * times
            free[max(0, first - 90 - length) : first + length + 90] = False
            (made.noise if what == "noise" else made.true).append((column, first, first + length))
    return made


@dataclass
class Outcome:
    """False pages per week, and how many of the true incidents were told."""

    false_pages: list[int]
    true_told: int
    true_count: int
    verdicts: int


def lived(made: Weeks, *, with_verdicts: bool) -> Outcome:
    """Let it pass through detection and triage an hour at a time; the person speaks at the end of each hour."""
    table, shelf = SeriesTable(), Shelf()
    ids = np.array([table.add(SeriesKey("latency_p95", f"s{i}"), LATENCY) for i in range(SERVICES)], np.int32)
    source = _Source(table)
    shard = Shard(source)  # type: ignore[arg-type]  # it is fed by hand
    pipeline = Pipeline([shard], Triage(TriageSettings(group_wait_s=60, receivers=("pager",))))
    now_ms = START_MS

    def changed(policy: Policy) -> None:
        pipeline.policy = policy

    book = VerdictBook(shelf, VerdictRules(), lambda: now_ms, changed)  # type: ignore[arg-type]  # all it uses
    replay, false_pages, told = Replay(pipeline, _unranked), [0] * (len(made.values) // ROWS_A_WEEK), set()
    judged = 0
    for row in range(0, len(made.values), 60):
        times = START_MS + 1000 * STEP_S * np.arange(row, row + 60)
        now_ms = int(times[-1])
        batch = Batch(now_ms, (Block(times, ids, made.values[row : row + 60]),), history=row < TEACHING_DAYS * 1440)
        replay.take(shard, batch)
        notes, judged = replay.result.notifications[judged:], len(replay.result.notifications)
        for incident in [n.incident for n in notes if n.reason == "opened"]:
            shelf.by_id[incident.id] = replay.result.incidents[incident.id]
            hit = _true_of(made, incident)
            told |= hit
            false_pages[row // ROWS_A_WEEK] += not hit
            if with_verdicts:
                book.give(incident.id, "real" if hit else "noise", who="ann", via="api")
    return Outcome(false_pages, len(told), len(made.true), len(book.all()))


def _true_of(made: Weeks, incident: Incident) -> set[int]:
    """The true stretches that an incident is about."""
    columns = {int(a.series.service[1:]): (a.started_ms - START_MS) / 1000 / STEP_S for a in incident.anomalies}
    return {i for i, (c, first, last) in enumerate(made.true) if c in columns and first - 5 <= columns[c] <= last + 5}


def _unranked(case: Case) -> Ranking:
    return Ranking()


@dataclass
class _Source:
    table: SeriesTable
    name: str = "simulated"
    step_s: float = float(STEP_S)
