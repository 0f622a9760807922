"""Both machines and the rows between them: what live runs and replays have in common.

No clock and no I/O: a runner says what time it is, does what `act` is told, and feeds the answers back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiops.cases import Past, build_case
from aiops.detection import Detection, DetectionRules
from aiops.history import History
from aiops.model import Anomaly, Event, Incident
from aiops.sources import Batch, Source
from aiops.triage import Rank, Ranked, Send, Tick, Triage
from rca import Case

Act = Callable[[Rank | Send, int], None]
"""What the runner does with an action, and the time at which it was asked for."""


@dataclass(slots=True)
class Shard:
    """A source with the detectors and the recent rows of its series.

    `learnt_ms` is the last row the detectors have seen, `told_ms` the last one whose anomalies went to triage and were
    saved; after a restart the rows between the two are learnt in silence.
    """

    source: Source
    rules: DetectionRules = field(default_factory=DetectionRules)
    history: History = field(default_factory=History)
    told_ms: int = -(2**62)
    detection: Detection = field(init=False)

    def __post_init__(self) -> None:
        self.detection = Detection(self.source.table, self.source.step_s, self.rules)

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def feed(self, batch: Batch) -> list[Anomaly]:
        """Detect in a batch; history and what was told before only teaches."""
        found: list[Anomaly] = []
        for block in batch.blocks:
            self.history.append(block)
            if batch.history or (len(block.times) and block.times[-1] <= self.told_ms):
                self.detection.learn(block)
            else:
                found += self.detection.feed(block)
        self.told_ms = max(self.told_ms, batch.position)
        return found

    def past(self) -> Past:
        """What a root-cause case is built from."""
        return Past(self.source.table, self.history, self.source.step_s)


class Pipeline:
    """All shards and the one triage."""

    def __init__(self, shards: Sequence[Shard], triage: Triage) -> None:
        self.shards = tuple(shards)
        self.triage = triage

    def take(self, items: Sequence[Anomaly | Event], until_ms: int, act: Act, *, muted: str = "") -> None:
        """Tell triage of items at their own times, letting time pass between them and up to `until_ms`."""
        for item in sorted(items, key=lambda i: (_when(i), i.id)):
            self.tick(_when(item), act)
            self._do(self.triage.feed(item, _when(item), muted=muted), _when(item), act)
        self.tick(until_ms, act)

    def tell(self, event: Event, now_ms: int, act: Act, *, muted: str = "") -> None:
        """Tell triage of an event."""
        self._do(self.triage.feed(event, now_ms, muted=muted), now_ms, act)

    def answer(self, ranked: Ranked, now_ms: int, act: Act) -> None:
        """Give triage the ranking it asked for."""
        self._do(self.triage.feed(ranked, now_ms), now_ms, act)

    def tick(self, now_ms: int, act: Act) -> None:
        """Let time pass up to `now_ms`, stopping wherever triage has something to do."""
        while (due := self.triage.due_ms()) is not None and due < now_ms:
            self._do(self.triage.feed(Tick(), due), due, act)
            if self.triage.due_ms() == due:
                break
        self._do(self.triage.feed(Tick(), now_ms), now_ms, act)

    def case(self, incident: Incident, now_ms: int) -> Case:
        """What is known of an incident at `now_ms`."""
        return build_case(incident, [shard.past() for shard in self.shards], self.triage.graph, now_ms)

    @staticmethod
    def _do(actions: Sequence[Rank | Send], now_ms: int, act: Act) -> None:
        for action in actions:
            act(action, now_ms)


def _when(item: Anomaly | Event) -> int:
    return item.updated_ms if isinstance(item, Anomaly) else item.time_ms
