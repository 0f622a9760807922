"""A month of alerts of a system of forty services, with the truth of which belong together.

What goes wrong is drawn first, what alerts of it after that: a fault alerts at its service and, call by call, at those
who depend on it, each rule after its own delay, each instance for itself. A surge goes the other way. Beside these
there are flapping alerts, single alerts of no consequence, and what senders add: a second replica that says everything
again, and a repetition every four hours. Two faults may fall together, as they do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from aiops.model import Event
from rca import ServiceGraph

START_MS = 1_700_000_000_000
DAYS = 30
FAULTS_A_DAY, FLAPS_A_DAY, SINGLES_A_DAY = 3.0, 1.0, 4.0
SURGE_SHARE = 0.15
RULES = (("HighErrorRate", 60), ("HighLatency", 120), ("SloBurn", 300), ("InstanceDegraded", 30), ("QueueFull", 60))
"""Name of a rule and its `for`, in seconds."""


@dataclass
class History:
    """Events in the order in which they arrive, and the true incident of each alert by its id."""

    graph: ServiceGraph
    events: list[Event] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)

    @property
    def alerts(self) -> int:
        """Alerts that fired, repetitions and second replicas left out."""
        return len(self.truth)


def month_of_alerts(seed: int, days: int = DAYS) -> History:
    """Draw a month."""
    return _Month(random.Random(seed), days).history


class _Month:
    def __init__(self, rng: random.Random, days: int) -> None:
        self.rng = rng
        self.instances: dict[str, int] = {}
        self.history = History(self._graph())
        self.seconds = days * 86_400
        self._busy: dict[tuple[str, str, int], float] = {}
        for what, rate in (("fault", FAULTS_A_DAY), ("flap", FLAPS_A_DAY), ("single", SINGLES_A_DAY)):
            at_s, number = rng.expovariate(rate / 86_400), 0
            while at_s < self.seconds:
                getattr(self, f"_{what}")(f"{what}-{number}", at_s)
                at_s, number = at_s + rng.expovariate(rate / 86_400), number + 1
        self.history.events.sort(key=lambda e: (e.time_ms, e.id, e.status))

    def _graph(self) -> ServiceGraph:
        """Four layers: 4 entries, 12 in front, 14 behind, 10 stores; each calls one to three of the layers below."""
        layers = [[f"l{layer}-{i}" for i in range(n)] for layer, n in enumerate((4, 12, 14, 10))]
        edges = set()
        for depth, layer in enumerate(layers[:-1]):
            for service in layer:
                below = layers[depth + 1] if self.rng.random() < 0.85 or depth > 1 else layers[depth + 2]
                edges |= {(service, callee) for callee in self.rng.sample(below, self.rng.randint(1, 3))}
        for depth, layer in enumerate(layers[1:], 1):
            called = {callee for _, callee in edges}
            edges |= {(self.rng.choice(layers[depth - 1]), s) for s in layer if s not in called}
        for layer in layers:
            self.instances |= {service: self.rng.randint(2, 6) for service in layer}
        return ServiceGraph(sorted(edges))

    def _fault(self, name: str, at_s: float) -> None:
        graph, rng = self.history.graph, self.rng
        is_surge = rng.random() < SURGE_SHARE
        first = rng.choice([s for s in graph.services() if s.startswith("l0") or not is_surge])
        onward = graph.callees if is_surge else graph.callers
        reached, wave, delay_s = {first: 0.0}, [first], 0.0
        for _ in range(2 if is_surge else 4):
            delay_s += rng.uniform(5, 40)
            wave = [t for s in wave for t in sorted(onward(s)) if t not in reached and rng.random() < 0.75]
            reached |= dict.fromkeys(wave, delay_s)
        length_s = rng.uniform(8 * 60, 90 * 60)
        for service, after_s in reached.items():
            if service == first and rng.random() < 0.1:
                continue  # nobody wrote a rule for the one that broke
            self._service_alerts(name, service, at_s + after_s, at_s + length_s + rng.uniform(0, 120))

    def _service_alerts(self, name: str, service: str, start_s: float, end_s: float) -> None:
        for rule, wait_s in self.rng.sample(RULES, self.rng.randint(1, 4)):
            for instance in range(self.instances[service]):
                if self.rng.random() < 0.7:
                    fires_s = start_s + wait_s + self.rng.uniform(0, 30)
                    self._alert(name, (service, rule, instance), fires_s, end_s + self.rng.uniform(0, 60))

    def _flap(self, name: str, at_s: float) -> None:
        service, (rule, _) = self.rng.choice(self.history.graph.services()), self.rng.choice(RULES)
        instance = self.rng.randrange(self.instances[service])
        for _ in range(self.rng.randint(8, 40)):
            end_s = at_s + self.rng.uniform(60, 300)
            self._alert(name, (service, rule, instance), at_s, end_s)
            at_s = end_s + self.rng.uniform(60, 280)

    def _single(self, name: str, at_s: float) -> None:
        service, (rule, _) = self.rng.choice(self.history.graph.services()), self.rng.choice(RULES)
        length_s = self.rng.choice([self.rng.uniform(10, 60), self.rng.uniform(60, 1800)])
        self._alert(name, (service, rule, self.rng.randrange(self.instances[service])), at_s, at_s + length_s)

    def _alert(self, name: str, key: tuple[str, str, int], start_s: float, end_s: float) -> None:
        service, rule, instance = key
        if end_s <= start_s or start_s < self._busy.get(key, -1.0):
            return  # this alert fires already
        self._busy[key] = end_s
        labels = (("alertname", rule), ("instance", f"{service}:{instance}"), ("service", service))
        start_ms = START_MS + round(start_s * 1000)
        event = Event(
            f"{service}|{rule}|{instance}|{start_ms}", start_ms, service, "alert", rule, "", "alertmanager", "firing",
            labels,
        )  # fmt: skip
        self.history.truth[event.id] = name
        self.history.events += self._said(event, end_s)

    def _said(self, event: Event, end_s: float) -> Iterator[Event]:
        over = replace(event, time_ms=START_MS + round(end_s * 1000), status="resolved")
        yield from (event, event, over, over)  # each replica says it
        again_ms = event.time_ms + 4 * 3_600_000
        while again_ms < over.time_ms:
            yield event
            again_ms += 4 * 3_600_000
