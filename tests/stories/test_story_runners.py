"""The golden stories in every runner: one process, two shards, and workers on a real Kafka say the same.

Times are left out: runners let time pass from one thing to the next, and the direct test ticks every five seconds. What
stories say in words of their own comes from where runners have it: what is muted is older than is told of, a ranker
that never answers holds up its thread until the story is over, and a graph that changes is a file that is written anew.
"""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import pytest

from aiops.model import Anomaly, Event, Notification
from aiops.stores.place import open_store
from aiops.triage import TriageSettings
from aiops.wire import decode
from rca import Ranking
from tests.services._kafka_server import kafka_cluster
from tests.services._postgres_server import running_postgres
from tests.stories._lines import FAR_S, EmbeddedLine, GraphFile, KafkaLine, Line, Told
from tests.stories.test_stories import START_MS, STORIES, Teller, span_ms

TICK_MS = 600_000  # a service that hears nothing ticks every second; what lasts for hours needs some of that
LATE = re.compile(r"was seen [\d.]+ h late")


class Script(Teller):
    """A story, step by step.

    Attributes
    ----------
    over : set when the story is over; a ranker that never answers waits for it
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.over = threading.Event()
        self._reasons = [""]

    def clocks(self, steps) -> Told:
        """By what clock this is told, and how old something may be to be told.

        What is muted must be too old, what comes after it not; a ranker may only keep the present waiting.
        """
        muted = [at_ms for at_ms, words in steps if words[0] == "muted" and words[1:]]
        heard = [at_ms for at_ms, words in steps if words == ["muted"]]
        self._reasons += [" ".join(words[1:]) for _, words in steps if words[0] == "muted" and words[1:]]
        if any(words == ["rank", "never"] for _, words in steps):
            return Told((START_MS + self.until_ms) / 1000, 1e12)
        if not muted:
            return Told(FAR_S, 1e12)
        last_ms = max(at_ms for at_ms, words in steps if words[0] != "muted" and at_ms < heard[0])
        wall_ms = START_MS + self.until_ms + 600_000
        return Told(wall_ms / 1000, (wall_ms - START_MS - (last_ms + heard[0]) / 2) / 1000)

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
        if self._cause == "never":
            self.over.wait()
            return Ranking()
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
            if words[0] in ("rank", "muted"):
                await line.tell(now_ms)
                self._cause = " ".join(words[1:]) if words[0] == "rank" else self._cause
                continue
            if words[0] == "graph":
                await line.tell(now_ms)
                self._set(words)
                await line.draw(self.triage.graph, now_ms)
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
        said = [*told, *[f"end {self._line(i, i.status)}" for i in left]]
        return [LATE.sub(self._reasons[-1], line) for line in said]


def prepared(path: Path):
    script = Script(path.read_text(encoding="utf-8"))
    steps = list(script.steps())
    return script, steps, script.clocks(steps)


@pytest.mark.parametrize("shards", [1, 2], ids=["embedded", "sharded"])
@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_the_embedded_runner_says_what_the_story_says(path, shards, tmp_path):
    script, steps, told = prepared(path)
    graph = script.triage.graph
    store = open_store(str(tmp_path / "a.sqlite"))

    async def play() -> None:
        file = GraphFile(tmp_path / "graph.yaml", graph)
        async with EmbeddedLine(store, script.settings, script.ranking, shards=shards, file=file, told=told) as line:
            try:
                await script.play(line, steps)
            finally:
                script.over.set()

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
@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_the_worker_that_decides_on_kafka_says_what_the_story_says(path, kafka, postgres, tmp_path, monkeypatch):
    # What only stories set, such as how many incidents are a storm, has no setting.
    script, steps, told = prepared(path)
    monkeypatch.setattr("aiops.building.kafka.triage_settings", lambda *_: script.settings)
    graph = script.triage.graph
    store = open_store(postgres.make_database(path.stem))

    async def play() -> None:
        topics = {"bootstrap": kafka.bootstrap, "prefix": f"{path.stem}."}
        file = GraphFile(tmp_path / "graph.yaml", graph)
        async with KafkaLine(store, script.settings, script.ranking, **topics, file=file, told=told) as line:
            try:
                await script.play(line, steps)
            finally:
                script.over.set()

    asyncio.run(play())
    assert script.said(store) == script.lasting()
    store.close()
