"""The golden stories in every runner: one process, two shards, and workers on a real Kafka say the same.

Times are left out: runners let time pass from one thing to the next, and the direct test ticks every five seconds. What
only the direct test can do is left to it: muted history, a ranker that never answers, graphs that change meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import yaml

from aiops.model import Anomaly, Event, Notification
from aiops.stores.place import open_store
from aiops.triage import TriageSettings
from aiops.wire import decode
from rca import Ranking, ServiceGraph
from tests.services._kafka_server import kafka_cluster
from tests.services._postgres_server import running_postgres
from tests.stories._lines import EmbeddedLine, KafkaLine, Line
from tests.stories.test_stories import START_MS, STORIES, Teller, span_ms

ONLY_DIRECT = {"muted_history", "ranker_asleep", "storm", "merge"}
TICK_MS = 600_000  # a service that hears nothing ticks every second; what lasts for hours needs some of that
TOLD = [path for path in STORIES if path.stem not in ONLY_DIRECT]


class Script(Teller):
    """A story, step by step."""

    def steps(self):
        """Time in ms and words of each step; settings and graph are taken up on the way."""
        for line in filter(None, self._lines[: self._lines.index("expect")]):
            words = line.split()
            if words[0] == "until":
                self.until_ms = span_ms(words[1])
            elif words[0][0].isdigit():
                yield span_ms(words[0]), words[1:]
            else:
                self._set(words)

    def lasting(self):
        """What is expected, without times and counts."""
        lines = [line for line in self.expected() if not line.startswith("counted")]
        return [re.sub(r"^(?:\d+[hms])+ ", "", line) for line in lines]

    @property
    def settings(self) -> TriageSettings:
        return self._settings

    def ranking(self, _) -> Ranking:
        return self._ranking()

    async def play(self, line: Line, steps) -> None:
        passed_ms = 0
        for at_ms, words in [*steps, (self.until_ms, ["until"])]:
            for tick_ms in range(passed_ms + TICK_MS, at_ms, TICK_MS):
                await line.tell(START_MS + tick_ms)
            passed_ms, now_ms = at_ms, START_MS + at_ms
            if words[0] == "until":
                await line.tell(now_ms)
                return
            if words[0] == "rank":
                await line.tell(now_ms)
                self._cause = " ".join(words[1:])
                continue
            item = self._item(words, now_ms)
            self._items[words[1]] = item
            if isinstance(item, Anomaly):
                await line.tell(now_ms, anomaly=item)
            else:
                assert isinstance(item, Event)
                await line.tell(now_ms, event=item)

    def said(self, store) -> list[str]:
        """What people are told, and how incidents are left, as the store has it."""
        self._numbers.clear()
        rows = store.database.rows("SELECT body FROM outbox ORDER BY number")
        notes = [decode(bytes(body), Notification) for (body,) in rows]
        told = [self._line(n.incident, n.reason.replace(" ", "-")) for n in notes if n.incident.kind != "self"]
        left = sorted((i for i in store.incidents() if i.kind != "self"), key=lambda i: (i.started_ms, i.id))
        return [*told, *[f"end {self._line(i, i.status)}" for i in left]]


def file_of(graph: ServiceGraph, folder: Path) -> Path:
    """A graph as the settings name one."""
    edges: dict[str, list[str]] = {}
    for caller, callee, _ in graph.edges():
        edges.setdefault(caller, []).append(callee)
    path = folder / "graph.yaml"
    path.write_text(yaml.safe_dump({"edges": edges}), encoding="utf-8")
    return path


def prepared(path: Path):
    script = Script(path.read_text(encoding="utf-8"))
    steps = list(script.steps())
    return script, steps


@pytest.mark.parametrize("shards", [1, 2], ids=["embedded", "sharded"])
@pytest.mark.parametrize("path", TOLD, ids=lambda p: p.stem)
def test_the_embedded_runner_says_what_the_story_says(path, shards, tmp_path):
    script, steps = prepared(path)
    store = open_store(str(tmp_path / "a.sqlite"))

    async def play() -> None:
        graph_file = file_of(script.triage.graph, tmp_path)
        async with EmbeddedLine(store, script.settings, script.ranking, shards=shards, graph_file=graph_file) as line:
            await script.play(line, steps)

    asyncio.run(play())
    assert script.said(store) == script.lasting()
    store.close()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    cluster = kafka_cluster(tmp_path_factory.mktemp("kafka"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


@pytest.mark.service
@pytest.mark.parametrize("path", TOLD, ids=lambda p: p.stem)
def test_the_worker_that_decides_on_kafka_says_what_the_story_says(path, kafka, postgres, tmp_path):
    script, steps = prepared(path)
    store = open_store(postgres.make_database(path.stem))

    async def play() -> None:
        topics = {"bootstrap": kafka.bootstrap, "prefix": f"{path.stem}."}
        line = KafkaLine(
            store, script.settings, script.ranking, **topics, graph_file=file_of(script.triage.graph, tmp_path)
        )
        async with line:
            await script.play(line, steps)

    asyncio.run(play())
    assert script.said(store) == script.lasting()
    store.close()
