"""Silences: what people have said they do not want to be told, in the words of Alertmanager.

Rule 1. A silence speaks of labels. An anomaly has those that its incident would have as an alert (`labels_of`), so one
written for our alerts, or for a service, holds for what we find ourselves too.
Rule 2. All matchers must match; a label that is not there counts as empty; expressions are matched as a whole.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops import words
from aiops.errors import InputError
from aiops.model import Anomaly, Event, Incident
from aiops.triage.title import severity

log = logging.getLogger(__name__)

INCIDENT_ALERT = "AiopsIncident"
"""`alertname` of every incident of ours."""
WATCHDOG_ALERT = "AiopsWatchdog"
"""`alertname` of the heartbeat."""
OWN_ALERTS = frozenset({INCIDENT_ALERT, WATCHDOG_ALERT})
"""Alerts that an Alertmanager has from us: they open no incidents when they come back."""


_SILENCED = "silenced"
_MATCHER = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matcher:
    """A rule for one label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels follow this rule.

        >>> Matcher("service", "cart|db", is_regex=True).matches({"service": "db"})
        True
        >>> Matcher("team", "", is_equal=False).matches({})
        False
        """
        found = labels.get(self.name, "")
        same = re.fullmatch(self.value, found) is not None if self.is_regex else found == self.value
        return same == self.is_equal

    def __str__(self) -> str:
        sign = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
        return f'{self.name}{sign[self.is_regex, self.is_equal]}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody does not want to be told of what matches, from `starts_ms` until before `ends_ms`."""

    matchers: tuple[Matcher, ...]
    starts_ms: int
    ends_ms: int
    created_by: str = ""
    comment: str = ""
    id: str = ""

    def holds(self, labels: Mapping[str, str], now_ms: int) -> bool:
        """Tell whether it silences something with these labels now. One without matchers silences nothing."""
        is_active = self.starts_ms <= now_ms < self.ends_ms
        return is_active and bool(self.matchers) and all(m.matches(labels) for m in self.matchers)

    def said(self) -> str:
        """Why nobody is told, for people."""
        by = f" by {self.created_by}" if self.created_by else ""
        why = f": {self.comment}" if self.comment else ""
        return f"{_SILENCED}{by} until {words.clock(self.ends_ms)}{why}"[:500]


def matcher_of(text: str) -> Matcher:
    """A rule as Alertmanager's tools write it, with or without quotation marks.

    >>> str(matcher_of("service=~cart|db")), str(matcher_of('team!="data"'))
    ('service=~"cart|db"', 'team!="data"')

    Raises
    ------
    InputError : it is none
    """
    found = _MATCHER.fullmatch(text.strip())
    if found is None:
        raise InputError(f'matchers: {text[:200]!r} is not like service="cart" or alertname=~"A|B"')
    name, sign, value = found[1], found[2], found[3]
    value = value[1:-1].replace('\\"', '"') if len(value) > 1 and value[0] == value[-1] == '"' else value
    try:
        re.compile(value if "~" in sign else "")
    except re.error as error:
        raise InputError(f"matchers: {text[:200]!r}: {error}") from error
    return Matcher(name, value, is_regex="~" in sign, is_equal="!" not in sign)


def labels_of(item: Anomaly | Event, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The labels that silences are held against.

    Parameters
    ----------
    extra : labels that all alerts of ours have
    """
    if isinstance(item, Event):
        return {"service": item.service, **dict(item.labels)}
    own = {"alertname": INCIDENT_ALERT, "service": item.series.service or item.series.peer}
    own |= {"severity": severity([item], []), "signal": item.series.signal}
    return {**dict(item.series.labels), **(extra or {}), **own}


def is_silence(reason: str) -> bool:
    """Tell whether a reason for telling nobody is a silence."""
    return reason.startswith(_SILENCED)


def why_silent(
    silences: Sequence[Silence], item: Anomaly | Event, now_ms: int, extra: Mapping[str, str] | None = None
) -> str:
    """Why nobody is to be told of an item; "" = nothing speaks against it. The silence that lasts longest is named."""
    if not silences:
        return ""
    labels = labels_of(item, extra)
    holding = [silence for silence in silences if silence.holds(labels, now_ms)]
    return max(holding, key=lambda s: (s.ends_ms, s.id)).said() if holding else ""


def proposal(incident: Incident, now_ms: int, duration_s: float, created_by: str) -> Silence:
    """A silence for what an incident is about: its alerts and our own alert, of the services that hurt."""
    firing = [a for a in incident.alerts if a.status != "resolved"] or list(incident.alerts)
    hurting = [a.series for a in incident.anomalies if a.pages]
    names = sorted({name for a in firing if (name := dict(a.labels).get("alertname", ""))} | {INCIDENT_ALERT})
    services = sorted(({a.service for a in firing} | {s.service or s.peer for s in hurting}) - {""})
    matchers = [_any_of(label, values) for label, values in (("alertname", names), ("service", services)) if values]
    comment = f"{incident.title[:200]} (incident {incident.id})"
    return Silence(tuple(matchers), now_ms, now_ms + round(duration_s * 1000), created_by, comment)


def _any_of(label: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(label, values[0])
    return Matcher(label, "|".join(map(_literal, values)), is_regex=True)


def _literal(text: str) -> str:
    # Alertmanager reads RE2, which knows no escapes of spaces and the like that `re.escape` would write.
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
