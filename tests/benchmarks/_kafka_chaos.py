"""Chaos: workers and brokers that die, stop and change while twenty services break, and what people are told of it.

`python -m tests.benchmarks._kafka_chaos --seeds 1 2 3 [--kinds "kill broker" pause ...]`; `--kinds` without any is an
undisturbed run, to be kept in a `--folder` of its own. Each seed is a run of its own: topics, database, workers, times
and places of all faults. The outcome of each is kept in build/bench/kafka-chaos/SEED.json; a run that is there is not
repeated, so that twenty runs can be done in parts.

Judged by what a strict receiver was told (a key it knows is not shown again) and by the rows that detection has kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiops.self_watch import SERVICE
from aiops.sources.push import PushSettings
from tests.benchmarks._kafka_chaos_cluster import (
    LATENESS_S,
    PARTITIONS,
    READY_S,
    STRIKES,
    Chaos,
    Cluster,
    Strike,
    incidents,
)
from tests.benchmarks._kafka_chaos_input import Compared, Feed, compared, expected_rows, kept_rows
from tests.benchmarks._kafka_chaos_world import STEP_MS, World, planned
from tests.benchmarks._table import BUILD, Row, at_least, at_most, publish
from tests.services._aiops_process import wait_for
from tests.services._kafka_server import Kafka, kafka_cluster
from tests.services._postgres_server import Postgres, running_postgres
from tests.services._webhook_receiver import Taken, WebhookReceiver

OUTCOMES = BUILD / "kafka-chaos"
ISLANDS = 20
HISTORY_S = 2 * 3600.0
BREAKS_S = (15.0, 75.0)  # islands break between these, seconds after the present has begun
STRUCK_S = 100.0
PATIENCE_S = 150.0  # after the last strike
PUSH = PushSettings(step_s=STEP_MS / 1000, window_s=10, lateness_s=LATENESS_S)
SEEDS = tuple(range(1, 21))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run; all but the first five are 0 when nothing went wrong.

    Parameters
    ----------
    incidents : islands with exactly one incident
    opened : islands of which people were told exactly once
    causes : islands whose incident has the true cause first
    causes_told : of them those whose first message said so
    resolved : islands whose end people were told of exactly once
    ourselves : incidents about the service itself, which has been struck
    strange : other incidents of no island, or of several
    twice : islands and reasons that people were told of more than once
    lost : islands of which nobody was told
    repeated : requests with a key that the receiver had already: nobody sees them
    disorderly : workers that did not end well when asked
    """

    seed: int
    incidents: int
    opened: int
    causes: int
    causes_told: int
    resolved: int
    ourselves: int
    strange: int
    twice: int
    lost: int
    repeated: int
    rows: Compared
    disorderly: tuple[str, ...]
    struck: tuple[str, ...]
    waits: dict[str, int]
    faults: tuple[str, ...]
    took_s: float

    @property
    def is_right(self) -> bool:
        """Whether everything is as if nothing had happened."""
        whole = self.incidents == self.opened == self.causes == self.resolved == ISLANDS
        wrong = (self.strange, self.twice, self.lost, self.rows.missing, self.rows.other, len(self.faults))
        return whole and not any(wrong) and self.rows.rows > 0


@dataclass(frozen=True, slots=True)
class Stage:
    """Brokers and a database that several runs use, one after the other."""

    folder: Path
    kafka: Kafka
    postgres: Postgres


def run(stage: Stage, seed: int, kinds: tuple[Strike, ...]) -> Outcome:
    """One run."""
    began_s = time.monotonic()
    folder = stage.folder / f"run{seed}-{int(time.time())}"
    folder.mkdir()
    told: list[str] = []
    with WebhookReceiver() as receiver:
        database = stage.postgres.make_database(folder.name)
        cluster = Cluster(folder, stage.kafka, database, f"{folder.name}.", receiver.url)
        try:
            cluster.start()
            world = _world(seed)
            feed = Feed(world, [cluster.urls(), cluster.urls()[::-1]])
            feed.send_past()
            feed.start()
            try:
                wait_for(lambda: _is_scored(cluster, world), READY_S, lambda: "the past is not scored")
                chaos = Chaos(cluster, seed, kinds, _Log(told, began_s))
                chaos.run(time.monotonic() + max(0.0, _age_s(world) * -1 + STRUCK_S))
                chaos.join()
                _settled(receiver, world)
                found = incidents(cluster.urls())
            finally:
                feed.stop.set()
                feed.join()
            (folder / "told.json").write_text(json.dumps([t.body for t in receiver.taken]), encoding="utf-8")
            (folder / "incidents.json").write_text(json.dumps(found), encoding="utf-8")
            bad = cluster.end()
            rows = _rows(database, world)
        finally:
            cluster.kill()
        faults = tuple(chaos.failed) + tuple(map(repr, feed.faults))
        waits = Counter[str]()
        for sender in feed.senders:
            waits += sender.waits
        return judged(
            world,
            found,
            list(receiver.taken),
            rows,
            disorderly=tuple(bad),
            struck=tuple(told),
            waits=dict(waits),
            faults=faults,
            took_s=time.monotonic() - began_s,
        )


class _Log:
    def __init__(self, told: list[str], began_s: float) -> None:
        self._told, self._began_s = told, began_s

    def __call__(self, text: str) -> None:
        line = f"{time.monotonic() - self._began_s:6.1f} {text}"
        self._told.append(line)
        print("  ", line, flush=True)


def _world(seed: int) -> World:
    """A world whose present begins in half a minute: so long its past may take to be sent."""
    live_ms = round(time.time() + 30) * 1000 // STEP_MS * STEP_MS
    past_ms = round(HISTORY_S * 1000) // STEP_MS * STEP_MS
    return planned(seed, live_ms - past_ms, live_ms, islands=ISLANDS, first_s=BREAKS_S[0], last_s=BREAKS_S[1])


def _age_s(world: World) -> float:
    return time.time() - world.live_ms / 1000


def _is_scored(cluster: Cluster, world: World) -> bool:
    """Whether detection is near the present; what breaks meanwhile is found as late as that."""
    lags = [
        value
        for name in cluster.of("detect")
        for metric, value in cluster.workers[name].metrics().items()
        if metric.startswith("aiops_kafka_lag_seconds")
    ]
    return len(lags) == PARTITIONS and max(lags) < 10.0


def _settled(receiver: WebhookReceiver, world: World) -> None:
    """Wait until the end of all that is wrong was told, or for long enough."""
    over_s = max(f.end_ms for f in world.faults) / 1000 + LATENESS_S
    give_up_s = max(time.time(), over_s) + PATIENCE_S
    while time.time() < give_up_s:
        over = [t.body["incident"] for t in list(receiver.taken) if t.body["reason"] == "resolved"]
        if len({incident["id"] for incident in over if _islands(incident)}) >= ISLANDS:
            return
        time.sleep(0.5)


def _rows(database: str, world: World) -> Compared:
    """Rows from before the present on, of the snapshots that the workers left."""
    import psycopg

    names = [f"samples/{n}" for n in range(PARTITIONS)]
    with psycopg.connect(database) as connection:
        query = "SELECT body FROM snapshots WHERE source = ANY(%s)"
        kept = kept_rows([bytes(body) for (body,) in connection.execute(query, (names,))])
    last_ms = max((at for rows in kept.values() for at in rows), default=0)
    return compared(expected_rows(world, PUSH, world.live_ms, last_ms), kept)


def judged(
    world: World,
    found: Sequence[dict[str, Any]],
    taken: Sequence[Taken],
    rows: Compared,
    *,
    disorderly: tuple[str, ...],
    struck: tuple[str, ...],
    waits: dict[str, int],
    faults: tuple[str, ...],
    took_s: float,
) -> Outcome:
    """What came of a run, of its incidents, of what the receiver was told, in order, and of the rows it kept."""
    causes = {fault.island: fault.service for fault in world.faults}
    shown: dict[str, dict[str, Any]] = {}
    for one in taken:
        shown.setdefault(one.body["key"], one.body)
    by_island: dict[int, list[dict[str, Any]]] = {island: [] for island in causes}
    strange = 0
    for incident in found:
        islands = _islands(incident)
        if len(islands) == 1:
            by_island[islands.pop()].append(incident)
        elif SERVICE not in incident["services"]:
            strange += 1
    told: Counter[tuple[int, str]] = Counter()
    first: dict[int, str] = {}
    for body in shown.values():
        for island in _islands(body["incident"]):
            told[island, body["reason"]] += 1
            if body["reason"] == "opened":
                first.setdefault(island, _cause(body["incident"]))
    return Outcome(
        seed=world.seed,
        incidents=sum(len(ones) == 1 for ones in by_island.values()),
        opened=sum(told[island, "opened"] == 1 for island in causes),
        causes=sum(len(ones) == 1 and _cause(ones[0]) == causes[island] for island, ones in by_island.items()),
        causes_told=sum(first.get(island) == cause for island, cause in causes.items()),
        resolved=sum(told[island, "resolved"] == 1 for island in causes),
        ourselves=sum(SERVICE in incident["services"] for incident in found),
        strange=strange,
        twice=sum(n > 1 for (_, reason), n in told.items() if reason in ("opened", "resolved")),
        lost=sum(told[island, "opened"] == 0 for island in causes),
        repeated=len(taken) - len(shown),
        rows=rows,
        disorderly=disorderly,
        struck=struck,
        waits=waits,
        faults=faults,
        took_s=took_s,
    )


def _islands(incident: dict[str, Any]) -> set[int]:
    """Islands of an incident; none of one about the service itself."""
    return {int(service.rpartition("-")[2]) for service in incident["services"] if service != SERVICE}


def _cause(incident: dict[str, Any]) -> str:
    suspects = incident["suspects"]
    return str(suspects[0]["service"]) if suspects else ""


def outcomes(seeds: Sequence[int], kinds: tuple[Strike, ...], folder: Path) -> list[Outcome]:
    """Outcomes of runs; those that are in `folder` already are taken from there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in seeds if not (folder / f"{seed}.json").exists()]
    if missing:
        home = Path(tempfile.mkdtemp(prefix="aiops-chaos-"))
        with running_postgres() as postgres:
            kafka = kafka_cluster(home, 3)
            try:
                for broker in kafka.brokers:
                    broker.start()
                for broker in kafka.brokers:
                    wait_for(broker.is_listening, READY_S, broker.log_tail)
                for seed in missing:
                    outcome = run(Stage(home, kafka, postgres), seed, kinds)
                    print(_line(outcome), flush=True)
                    (folder / f"{seed}.json").write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
            finally:
                kafka.stop()
        shutil.rmtree(home)
    return [_outcome(folder / f"{seed}.json") for seed in seeds]


def _outcome(path: Path) -> Outcome:
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields |= {name: tuple(fields[name]) for name in ("disorderly", "struck", "faults")}
    return Outcome(**fields | {"rows": Compared(**fields["rows"])})


def _line(o: Outcome) -> str:
    parts = [
        f"seed {o.seed}: {'right' if o.is_right else 'WRONG'}",
        f"incidents {o.incidents} opened {o.opened} causes {o.causes} (in the first message {o.causes_told})",
        f"resolved {o.resolved} strange {o.strange} twice {o.twice} lost {o.lost} repeated {o.repeated}",
        f"ourselves {o.ourselves} rows {o.rows.rows} missing {o.rows.missing} other {o.rows.other}",
        f"disorderly {','.join(o.disorderly) or 0} waits {sum(o.waits.values())} took {o.took_s:.0f} s",
    ]
    return ", ".join([*parts, *filter(None, (o.rows.first, *o.faults))])


def chaos_rows(seeds: Sequence[int] = SEEDS, kinds: tuple[Strike, ...] = STRIKES, folder: Path = OUTCOMES) -> list[Row]:
    """The figures of issue 7: runs of twenty incidents each."""
    found = outcomes(seeds, kinds, folder)
    for one in found:
        print(_line(one))
    n = len(found)
    struck = Counter(line.split(":")[0][7:] for one in found for line in one.struck if "back" not in line)
    return [
        at_least("chaos: runs in which nothing went wrong", sum(o.is_right for o in found), f"of {n}", n),
        at_least("chaos: one incident", sum(o.incidents for o in found), f"of {ISLANDS * n}", ISLANDS * n),
        at_least("chaos: told once that it began", sum(o.opened for o in found), f"of {ISLANDS * n}", ISLANDS * n),
        at_least("chaos: told once that it is over", sum(o.resolved for o in found), f"of {ISLANDS * n}", ISLANDS * n),
        at_least("chaos: the true cause first", sum(o.causes for o in found), f"of {ISLANDS * n}", ISLANDS * n),
        Row("chaos: the true cause first in the first message", sum(o.causes_told for o in found), f"of {ISLANDS * n}"),
        at_most("chaos: told twice", sum(o.twice for o in found), "", 0),
        at_most("chaos: never told", sum(o.lost for o in found), "", 0),
        at_most("chaos: incidents of nothing", sum(o.strange for o in found), "", 0),
        at_most("chaos: rows missing in detection", sum(o.rows.missing for o in found), "", 0),
        at_most("chaos: rows of other values", sum(o.rows.other for o in found), "", 0),
        Row("chaos: rows compared", sum(o.rows.rows for o in found)),
        Row("chaos: repeated with a key that was known", sum(o.repeated for o in found)),
        Row("chaos: strikes", ", ".join(f"{kind} {count}" for kind, count in sorted(struck.items()))),
    ]


def measured() -> Iterator[list[Row]]:
    """All seeds, as a part of `bench_kafka.py`."""
    yield chaos_rows()


def main() -> None:
    """Run some seeds and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--kinds", nargs="*", choices=STRIKES, default=list(STRIKES))
    parser.add_argument("--folder", type=Path, default=OUTCOMES)
    asked = parser.parse_args()
    publish("kafka", chaos_rows(asked.seeds, tuple(asked.kinds), asked.folder))


if __name__ == "__main__":
    main()
