"""How well triage groups a history of alerts whose truth is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiops.model import Incident
from aiops.triage import Rank, Ranked, Send, Tick, Triage, TriageSettings
from rca import Ranking
from tests.benchmarks._alert_history import History


@dataclass
class Grouped:
    """Incidents by id as they were saved last, and how many notifications of which kind one receiver got."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)


@dataclass
class Agreement:
    """Pairs of alerts: together in truth and in incidents.

    `merged` counts incidents that hold alerts of two faults or flaps; `split` those that are spread over several.
    """

    precision: float
    recall: float
    f1: float
    merged: int
    split: int


def grouped(history: History) -> Grouped:
    """Let a history pass through triage, as fast as it goes."""
    return _Run(history).done()


class _Run:
    def __init__(self, history: History) -> None:
        self.history, self.found = history, Grouped()
        self.triage = Triage(TriageSettings(receivers=("pager",)))
        self.triage.graph = history.graph

    def done(self) -> Grouped:
        for event in self.history.events:
            self._tick(event.time_ms)
            self._act(self.triage.feed(event, event.time_ms), event.time_ms)
        self._tick(self.history.events[-1].time_ms + 86_400_000)
        return self.found

    def _tick(self, now_ms: int) -> None:
        while (due_ms := self.triage.due_ms()) is not None and due_ms < now_ms:
            self._act(self.triage.feed(Tick(), due_ms), due_ms)
            if self.triage.due_ms() == due_ms:
                break
        self._act(self.triage.feed(Tick(), now_ms), now_ms)
        self.found.incidents |= {i.id: i for i in self.triage.changed()}

    def _act(self, actions: Sequence[Rank | Send], now_ms: int) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.found.told[action.notification.reason] += 1
            else:
                self._act(self.triage.feed(Ranked(action.incident.id, Ranking()), now_ms), now_ms)


def agreement(truth: dict[str, str], incidents: Iterable[Incident]) -> Agreement:
    """Compare incidents with the truth; an alert that is in none stands alone.

    >>> from aiops.model import Event
    >>> alerts = tuple(Event(name, 0, "", "alert") for name in "abc")
    >>> agreement({"a": "x", "b": "x", "c": "y"}, [Incident("1", "open", "", "warning", 0, 0, alerts=alerts)])
    Agreement(precision=0.3333333333333333, recall=1.0, f1=0.5, merged=1, split=0)
    """
    home = {alert.id: incident.id for incident in incidents for alert in incident.alerts}
    cells = Counter((true, home.get(alert, f"alone {alert}")) for alert, true in truth.items())
    of_true, of_found = Counter[str](), Counter[str]()
    trues, founds = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for (true, found), count in cells.items():
        of_true[true] += count
        of_found[found] += count
        founds[true].add(found)
        if not true.startswith("single"):
            trues[found].add(true)
    both, true_pairs, found_pairs = _pairs(cells), _pairs(of_true), _pairs(of_found)
    return Agreement(
        precision=both / found_pairs if found_pairs else 1.0,
        recall=both / true_pairs if true_pairs else 1.0,
        f1=2 * both / (true_pairs + found_pairs) if true_pairs + found_pairs else 1.0,
        merged=sum(len(names) > 1 for names in trues.values()),
        split=sum(len(names) > 1 for names in founds.values()),
    )


def _pairs(counts: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())
