"""Settings become what speaks to Alertmanagers: notifiers and silences."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from aiops._secret_file import read_secret
from aiops.audit import added
from aiops.config import Settings
from aiops.config.receivers import AlertmanagerReceiver
from aiops.errors import ConfigError
from aiops.model import Anomaly, Event
from aiops.notifiers import Receipts
from aiops.notifiers._replicas import Replicas
from aiops.notifiers._rest import Rest, basic
from aiops.notifiers.alertmanager import AlertmanagerNotifier
from aiops.notifiers.silences import Silences
from aiops.secret import Secret
from aiops.silencing import Silencing
from aiops.stores import Store

SILENCES = "silences"
"""Whose receipts the lines are of who silenced what."""
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = frozenset({"alertname", "service", "severity", "incident"})


def build_alertmanager(
    one: AlertmanagerReceiver,
    base: Path,
    receipts: Receipts,
    clock: Callable[[], int],
    *,
    page: str,
    ill: Callable[[], Sequence[str]],
) -> AlertmanagerNotifier:
    """The notifier of one Alertmanager and all its replicas.

    Raises
    ------
    ConfigError : a label is none or is one of ours, a file cannot be read, or an address is none
    """
    for name in one.labels:
        if not _LABEL.fullmatch(name) or name in _OURS:
            rule = f"{name!r} is no name for a label" if name not in _OURS else f"{name!r} is set for every incident"
            raise ConfigError("the configuration", f"notifiers {one.name}.labels", rule)
    beats = ill if one.watchdog else None
    return AlertmanagerNotifier(_replicas(one, base), receipts, clock, labels=one.labels, page=page, ill=beats)


def build_silences(settings: Settings, base: Path, clock: Callable[[], int]) -> dict[str, Silences]:
    """The silences of every Alertmanager in the settings that are to be kept to, by the receiver's name."""
    found = [one for one in settings.notifiers if isinstance(one, AlertmanagerReceiver) and one.silences]
    return {one.name: Silences(_replicas(one, base), clock, one.labels) for one in found}


def silenced(silences: Mapping[str, Silences]) -> Callable[[Anomaly | Event], str] | None:
    """Why nobody is to be told of something now, by any of these silences; None = there are none to ask."""

    def why(item: Anomaly | Event) -> str:
        return next((reason for one in silences.values() if (reason := one.why(item))), "")

    return why if silences else None


def build_silencing(
    silences: Mapping[str, Silences], store: Store, clock: Callable[[], int], people: Collection[str]
) -> Silencing:
    """What people list, make and end silences with."""

    def note(at_ms: int, line: str) -> None:
        kept = store.receipts(SILENCES, "")
        store.keep_receipts(SILENCES, "", added(kept, at_ms, line))

    return Silencing(silences, store.incident, people=people, clock=clock, audit=note)


def _replicas(one: AlertmanagerReceiver, base: Path) -> Replicas:
    headers, secrets = dict(one.headers), list[Secret]()
    if one.token_file:
        headers["Authorization"] = f"Bearer {read_secret(one.token_file, base).reveal()}"
    if one.basic_auth:
        secrets.append(read_secret(one.basic_auth.password_file, base))
        headers["Authorization"] = basic(one.basic_auth.username, secrets[0])
    ca_file = base / one.ca_file if one.ca_file else None
    return Replicas(
        [
            Rest("alertmanager", url, headers=headers, secrets=secrets, ca_file=ca_file, timeout_s=one.timeout_s)
            for url in one.urls
        ]
    )
