"""Golden stories: what happens to services as text, and what people are told of it.

    set receivers=pager hold_s=300    settings of Triage (receivers separated by commas)
    graph shop>cart cart>db           calls; the same line later in the story replaces the graph
    muted history                     everything from here on is fed with this reason; `muted` alone ends it
    rank cart                         from here on rankings name this service; `rank unknown`, `rank never`
    until 20m                         the story ends here; there is a tick every 5 s
    10s anomaly ID SERVICE SIGNAL VALUE EXPECTED    a paging anomaly begins; `evidence`: the same without paging
    10s again ID                      the same anomaly is told again, still going on
    10s ended ID                      it ends
    10s alert ID SERVICE NAME         it fires; SERVICE `-`: it names none; `since=0s`: its sender says so
    10s resolved ID                   it resolves; `since=` as above
    10s deploy ID SERVICE TEXT        a change; `since=` as above

After `expect` every line is one message: time, incident (numbered), reason, severity, cause, members, then the title;
`end` lines are incidents as they are left, in the order of their start, `counted` what was counted.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from aiops.model import Anomaly, Event, Incident, Kind, SeriesKey
from aiops.triage import Rank, Ranked, Send, Tick, Triage, TriageSettings
from rca import Ranking, ServiceGraph, Suspect

START_MS = 1_700_000_000_000
TICK_MS = 5_000
STORIES = sorted(Path(__file__).parent.glob("*.story"))
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000}
_KINDS: dict[str, Kind] = {"latency": "latency", "error": "errors", "requests": "traffic"}


class Teller:
    """Feeds one story to a triage and writes down what comes of it."""

    def __init__(self, text: str, *, restarts: bool = False, twice: bool = False) -> None:
        self._lines = [re.split(r"(?:^|\s)# ", line)[0].rstrip() for line in text.splitlines()]
        self._restarts, self._twice = restarts, twice
        self._settings = TriageSettings(receivers=("pager",))
        self.triage = Triage(self._settings)
        self._items: dict[str, Anomaly | Event] = {}
        self._numbers: dict[str, int] = {}
        self._cause, self._muted = "unknown", ""
        self.told: list[str] = []

    def expected(self) -> list[str]:
        return [" ".join(line.split()) for line in self._lines[self._lines.index("expect") + 1 :] if line]

    def run(self) -> list[str]:
        now_ms, until_ms = 0, 0
        for line in filter(None, self._lines[: self._lines.index("expect")]):
            words = line.split()
            if words[0] == "until":
                until_ms = span_ms(words[1])
            elif words[0][0].isdigit():
                now_ms = self._tick(now_ms, span_ms(words[0]))
                self._do(words[1:], now_ms)
            else:
                self._set(words)
        self._tick(now_ms, until_ms + TICK_MS)
        return [*self.told, *self._end()]

    def _set(self, words: list[str]) -> None:
        match words:
            case ["set", *pairs]:
                kinds = {f.name: f.default for f in fields(TriageSettings)}
                values = dict(pair.split("=") for pair in pairs)
                typed = {k: tuple(v.split(",")) if k == "receivers" else type(kinds[k])(v) for k, v in values.items()}  # type: ignore[call-arg]  # defaults are int or float
                self._settings = replace(self._settings, **typed)
                self.triage = Triage(self._settings)
            case ["graph", *edges]:
                self.triage.graph = ServiceGraph([tuple(edge.split(">")) for edge in edges])  # type: ignore[misc]  # pairs
            case _:
                raise AssertionError(f"unknown line: {words}")

    def _do(self, words: list[str], now_ms: int) -> None:
        if words[0] in ("rank", "muted", "graph"):
            rest = " ".join(words[1:])
            if words[0] == "rank":
                self._cause = rest
            elif words[0] == "muted":
                self._muted = rest
            else:
                self._set(words)
            return
        item = self._item(words, START_MS + now_ms)
        self._items[words[1]] = item
        for _ in range(2 if self._twice else 1):
            assert self.triage.feed(item, START_MS + now_ms, self._muted) == []

    def _item(self, words: list[str], now_ms: int) -> Anomaly | Event:
        since = next((w[6:] for w in words if w.startswith("since=")), None)
        time_ms = now_ms if since is None else START_MS + span_ms(since)
        match [w for w in words if not w.startswith("since=")]:
            case ["anomaly" | "evidence" as what, name, service, signal, value, expected]:
                kind = _KINDS.get(re.split("_", signal)[0], "saturation")
                unit = {"latency": "s", "errors": "ratio"}.get(kind, "")
                number, usual = float(value), float(expected)
                series = SeriesKey(signal, service)
                band = (number, usual, usual * 0.8, usual * 1.2, 9.0, 2.0)
                return Anomaly(name, series, kind, unit, "up", what == "anomaly", time_ms, now_ms, None, *band)
            case ["again", name]:
                return replace(self._items[name], updated_ms=now_ms)  # type: ignore[call-arg]  # an anomaly
            case ["ended", name]:
                return replace(self._items[name], updated_ms=now_ms, ended_ms=now_ms)  # type: ignore[call-arg]  # an anomaly
            case ["alert", name, service, title]:
                labels = (("alertname", title), ("severity", "page" if title.isupper() else "info"))
                service = "" if service == "-" else service
                return Event(name, time_ms, service, "alert", title, status="firing", labels=labels)
            case ["resolved", name]:
                return replace(self._items[name], time_ms=time_ms, status="resolved")  # type: ignore[call-arg]  # an event
            case ["deploy", name, service, *text]:
                return Event(name, time_ms, service, "deploy", " ".join(text))
        raise AssertionError(f"unknown line: {words}")

    def _tick(self, now_ms: int, until_ms: int) -> int:
        """Let time pass up to, not including, `until_ms`."""
        for at_ms in range(now_ms, until_ms, TICK_MS):
            self._take(Tick(), START_MS + at_ms)
            self.triage.changed()
            if self._restarts:
                again = Triage(self._settings)
                again.graph = self.triage.graph
                again.restore(self.triage.snapshot())
                assert again.incidents() == self.triage.incidents()
                self.triage = again
        return until_ms

    def _take(self, item: Tick | Ranked, now_ms: int) -> None:
        for action in self.triage.feed(item, now_ms):
            if isinstance(action, Send):
                note = action.notification
                self.told.append(f"{since(now_ms)} {self._line(note.incident, note.reason.replace(' ', '-'))}")
                assert note.created_ms == now_ms
            elif isinstance(action, Rank) and self._cause != "never":
                self._take(Ranked(action.incident.id, self._ranking()), now_ms)

    def _ranking(self) -> Ranking:
        if self._cause == "unknown":
            return Ranking()
        return Ranking((Suspect(self._cause, None, 1.0, 0.8),), unknown=False)

    def _line(self, incident: Incident, word: str) -> str:
        number = self._numbers.setdefault(incident.id, len(self._numbers) + 1)
        cause = incident.ranking.suspects[0].service if incident.ranking.suspects else "?"
        members = [a.id for a in incident.anomalies if a.pages] + [e.id for e in incident.alerts]
        others = [f"+{a.id}" for a in incident.anomalies if not a.pages] + [f"+{e.id}" for e in incident.events]
        muted = f" muted={incident.muted}" if incident.muted else ""
        return (
            f"#{number} {word} {incident.severity} cause={cause}{muted} [{' '.join(members + others)}] {incident.title}"
        )

    def _end(self) -> list[str]:
        ends = [f"end {self._line(i, i.status)}" for i in self.triage.incidents()]
        return ends + [
            f"counted {n} {what}" for what, n in sorted(self.triage.counts.items()) if n and what != "merged"
        ]


def span_ms(text: str) -> int:
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smh])", text))


def since(now_ms: int) -> str:
    seconds = (now_ms - START_MS) // 1000
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_the_story_ends_as_written(path):
    teller = Teller(path.read_text(encoding="utf-8"))
    assert teller.run() == teller.expected()


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_a_restart_after_every_tick_changes_nothing(path):
    teller = Teller(path.read_text(encoding="utf-8"), restarts=True)
    assert teller.run() == teller.expected()


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_hearing_everything_twice_changes_nothing(path):
    def without_counts(lines: list[str]) -> list[str]:
        return [line for line in lines if not line.startswith("counted")]

    teller = Teller(path.read_text(encoding="utf-8"), twice=True)
    assert without_counts(teller.run()) == without_counts(teller.expected())
