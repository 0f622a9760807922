"""What verdicts have taught: how large a deviation, or how long an alert, must be before anybody is woken by it.

Rule 1. A verdict changes the rule of exactly what spoke in its incident, nothing else.
Rule 2. *Noise* keeps silent what is up to a quarter larger than what spoke; further ones raise that, up to four times
the first. *Expected* keeps silent what comes at that time of day, up to one and a half times as large. *Real* undoes
both, and until it expires no verdict silences anything of four fifths of its size.
Rule 3. What is silent is not gone: it waits as evidence, is listed with its reason, joins an incident near it, and is
told once it grows beyond its rule or outlasts it.
Rule 4. Rules are folded from the verdicts that hold at a time; undoing one, or its end, is leaving it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aiops import words
from aiops.model import Anomaly, Event, Incident, Spoke, Verdict

ABOVE = 1.25  # chosen: the next one of a noisy series is seldom the same to the digit
MOST = 4.0  # chosen: of the first noise; a series must not be talked into silence step by step
PROTECTED = 0.8  # chosen: of the smallest that was real
WINDOW_ABOVE = 1.5  # chosen: what comes every day varies more than noise within an hour
WINDOW_MS = 3_600_000  # chosen: either side of the time of day, covers a change to summer time
SHORTEST_S, LONGEST_S = 60.0, 3600.0  # of an alert that is waited out; chosen: who waits longer may as well not be told
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why nobody is woken by something; `until_ms` None = for as long as it is no larger than it is."""

    reason: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day (ms after midnight UTC; the end may lie beyond 24 h) at which up to `size` is expected."""

    start_ms: int
    end_ms: int
    size: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What is not told of one subject: up to `size` at any time, and in `windows`; `real` is the smallest real one."""

    measure: str = "deviation"
    unit: str = ""
    size: float = 0.0
    first: float = math.inf
    windows: tuple[Window, ...] = ()
    real: float = math.inf
    why: str = ""

    def said(self) -> str:
        """The rule in words.

        >>> Rule("deviation", "s", 0.5).said(), Rule().said(), Rule("duration", "s", 600.0).said()
        ('told above 500 ms beyond the expected', 'told', 'told once it lasts 10 min')
        """
        parts = [f"told {self._beyond(self.size)}" if self.size else "told"]
        for one in self.windows:
            end = f"{_of_day(one.start_ms)} to {_of_day(one.end_ms)} UTC"
            parts.append(f"{end} {self._beyond(one.size) if math.isfinite(one.size) else 'not at all'}")
        if math.isfinite(self.real):
            parts.append(f"at any time from {self._amount(PROTECTED * self.real)} on")
        return ", ".join(parts)

    def _beyond(self, size: float) -> str:
        if self.measure == "duration":
            return f"once it lasts {self._amount(size)}"
        return f"above {self._amount(size)} beyond the expected"

    def _amount(self, size: float) -> str:
        return words.span(round(size * 1000)) if self.measure == "duration" else words.quantity(size, self.unit)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What a verdict made of the rule of one subject."""

    subject: str
    before: str
    after: str


class Policy:
    """The rules at any time, from verdicts. May be used by several threads: it never changes."""

    def __init__(self, verdicts: Iterable[Verdict] = ()) -> None:
        self._verdicts = tuple(sorted(verdicts, key=lambda v: (v.at_ms, v.id)))
        self._folded: tuple[int, int, dict[str, Rule]] = (0, 0, {})

    def rules(self, now_ms: int) -> dict[str, Rule]:
        """Rules that hold at that time, by subject."""
        start_ms, end_ms, rules = self._folded
        if not start_ms <= now_ms < end_ms:
            borders = sorted({t for v in self._verdicts for t in (v.at_ms, v.until_ms, v.undone_ms) if t is not None})
            start_ms = max((t for t in borders if t <= now_ms), default=-(2**62))
            end_ms = min((t for t in borders if t > now_ms), default=2**62)
            rules = folded(holding(self._verdicts, now_ms))
            self._folded = (start_ms, end_ms, rules)
        return rules

    def quiet(self, item: Anomaly | Event, now_ms: int) -> Quiet | None:
        """Why nobody is woken by this now; None = somebody is."""
        rule = self.rules(now_ms).get(subject_of(item)) if self._verdicts else None
        if rule is None:
            return None
        if rule.measure == "duration":
            start_ms = item.started_ms if isinstance(item, Anomaly) else item.time_ms
            return _outlasted(rule, start_ms, now_ms)
        assert isinstance(item, Anomaly)
        deviation = abs(item.value - item.expected)
        if deviation <= rule.size:
            return Quiet(f"{rule.why}: {rule.said()}")
        for one in rule.windows:
            if deviation <= one.size and (until_ms := _end_of(one, now_ms)) is not None:
                return Quiet(f"{rule.why}: {rule.said()}", until_ms)
        return None


def holding(verdicts: Iterable[Verdict], now_ms: int) -> list[Verdict]:
    """Verdicts that hold at that time: given, not over, and not undone by then."""
    return [v for v in verdicts if v.at_ms <= now_ms < v.until_ms and (v.undone_ms is None or now_ms < v.undone_ms)]


def folded(verdicts: Sequence[Verdict]) -> dict[str, Rule]:
    """The rules that verdicts make together, later ones upon earlier ones."""
    rules: dict[str, Rule] = {}
    for verdict in verdicts:
        for spoke in verdict.spoke:
            rules[spoke.subject] = _after(rules.get(spoke.subject, Rule(spoke.measure, spoke.unit)), verdict, spoke)
    return rules


def changes(verdict: Verdict, others: Iterable[Verdict]) -> tuple[RuleChange, ...]:
    """What a verdict changed when it was given; `others` are all, it may be among them."""
    before = holding((v for v in others if (v.at_ms, v.id) < (verdict.at_ms, verdict.id)), verdict.at_ms)
    old, new = folded(before), folded([*before, verdict])
    subjects = dict.fromkeys(spoke.subject for spoke in verdict.spoke)
    return tuple(RuleChange(s, old.get(s, Rule()).said(), new[s].said()) for s in subjects)


def subject_of(item: Anomaly | Event) -> str:
    """What a rule is about.

    >>> subject_of(Event("1", 0, "cart", "alert", "slow", labels=(("alertname", "HighLatency"),)))
    'alert HighLatency of cart'
    """
    if isinstance(item, Anomaly):
        return f"{item.series} {item.went}"
    name = dict(item.labels).get("alertname") or item.description[:120] or item.id
    return f"alert {name} of {item.service}" if item.service else f"alert {name}"


def spoke_in(incident: Incident, now_ms: int) -> tuple[Spoke, ...]:
    """What made an incident: its anomalies that page, and its alerts."""
    over_ms = incident.resolved_ms or now_ms
    found = [_of_anomaly(a, over_ms) for a in incident.anomalies if a.pages]
    for alert in incident.alerts:
        end_ms = max(alert.time_ms, alert.ended_ms or over_ms)
        seconds = (end_ms - alert.time_ms) / 1000
        found.append(Spoke(subject_of(alert), "duration", "s", seconds, alert.time_ms, end_ms))
    return tuple(s for s in found if math.isfinite(s.size))


def _of_anomaly(anomaly: Anomaly, over_ms: int) -> Spoke:
    end_ms = max(anomaly.started_ms, anomaly.ended_ms or over_ms)
    span = (anomaly.started_ms, end_ms)
    if anomaly.went == "absent":
        return Spoke(subject_of(anomaly), "duration", "s", (end_ms - anomaly.started_ms) / 1000, *span)
    return Spoke(subject_of(anomaly), "deviation", anomaly.unit, abs(anomaly.value - anomaly.expected), *span)


def _after(rule: Rule, verdict: Verdict, spoke: Spoke) -> Rule:
    if verdict.answer == "real":
        return Rule(rule.measure, rule.unit, real=min(rule.real, spoke.size))
    until = f"{words.clock(verdict.until_ms)}"
    rule = replace(rule, why=f"{verdict.answer}, says {verdict.who} (until {until})")
    limit = PROTECTED * rule.real
    if verdict.answer == "noise":
        first = min(rule.first, spoke.size)
        wanted = max(rule.size, ABOVE * spoke.size)
        is_long = rule.measure == "duration"
        wanted = min(max(wanted, SHORTEST_S), LONGEST_S) if is_long else min(wanted, MOST * first)
        return replace(rule, first=first, size=min(wanted, limit))
    size = min(math.inf if rule.measure == "duration" else WINDOW_ABOVE * spoke.size, limit)
    return replace(rule, windows=(*rule.windows, _window(spoke, size)))


def _window(spoke: Spoke, size: float) -> Window:
    start_ms = (spoke.started_ms - WINDOW_MS) % DAY_MS
    length_ms = min(spoke.ended_ms - spoke.started_ms + 2 * WINDOW_MS, DAY_MS // 2)
    return Window(start_ms, start_ms + length_ms, size)


def _outlasted(rule: Rule, start_ms: int, now_ms: int) -> Quiet | None:
    ends = [start_ms + round(rule.size * 1000)] if rule.size else []
    for one in rule.windows:
        end_ms = _end_of(one, now_ms)
        if end_ms is not None:
            ends.append(end_ms if math.isinf(one.size) else min(end_ms, start_ms + round(one.size * 1000)))
    until_ms = max(ends, default=now_ms)
    return Quiet(f"{rule.why}: {rule.said()}", until_ms) if until_ms > now_ms else None


def _end_of(window: Window, now_ms: int) -> int | None:
    """When the window that this moment lies in ends; None = it lies in none."""
    for midnight_ms in (now_ms - now_ms % DAY_MS, now_ms - now_ms % DAY_MS - DAY_MS):
        if midnight_ms + window.start_ms <= now_ms < midnight_ms + window.end_ms:
            return midnight_ms + window.end_ms
    return None


def _of_day(time_ms: int) -> str:
    minutes = time_ms // 60_000 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
