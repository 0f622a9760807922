"""Alerts in the shape that Alertmanager gave them and Grafana took over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from aiops.errors import InputError
from aiops.events import _payload as payload
from aiops.events._payload import Received
from aiops.model import Event
from aiops.series import event_id, service_of
from aiops.silence import OWN_ALERTS


class _Payload(msgspec.Struct, rename="camel"):
    alerts: list[object]
    status: str = ""
    truncated_alerts: int | None = 0


class _Alert(msgspec.Struct, rename="camel"):
    status: str = ""
    labels: dict[str, object] | None = None
    annotations: dict[str, object] | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str | None = msgspec.field(name="generatorURL", default=None)
    dashboard_url: str | None = msgspec.field(name="dashboardURL", default=None)
    fingerprint: str | None = None


def read_alerts(
    body: bytes,
    now_ms: int,
    *,
    source: str,
    names: tuple[str, ...],
    unwanted: Callable[[dict[str, str]], str],
) -> Received:
    """Turn a payload into one event per alert.

    Parameters
    ----------
    now_ms : used where an alert has no usable time, and as the latest time an alert can have
    source : of the events; part of their identity
    names : labels that may name the service, most telling first
    unwanted : says why an alert with these labels is none for us; "" = it is one

    Raises
    ------
    InputError : the payload is no payload, or not one of its alerts can be read; names the key
    """
    content = payload.typed(payload.decoded(body), _Payload)
    events, rejects, faults = list[Event](), Counter[str](), list[InputError]()
    for number, raw in enumerate(content.alerts):
        try:
            alert = payload.typed(raw, _Alert, f"alerts[{number}]")
            labels = payload.strings(alert.labels, f"alerts[{number}].labels")
            # An alert that is ours comes back where incidents are sent to an Alertmanager that also tells us.
            if reason := "our own alert" if labels.get("alertname") in OWN_ALERTS else unwanted(labels):
                rejects[reason] += 1
                continue
            event, cut = _event(alert, labels, now_ms, f"alerts[{number}]", (source, content.status, names))
        except InputError as fault:
            faults.append(fault)
            continue
        events.append(event)
        rejects["labels over the limit"] += cut
    # One alert we cannot read must not cost the others: the sender does not try a refused payload again.
    if faults and len(faults) == len(content.alerts):
        raise faults[0]
    rejects["unreadable"] += len(faults)
    rejects["truncated by the sender"] += max(0, content.truncated_alerts or 0)
    return payload.received(events, +rejects, source)


def _event(
    alert: _Alert, labels: dict[str, str], now_ms: int, where: str, about: tuple[str, str, tuple[str, ...]]
) -> tuple[Event, int]:
    source, group_status, names = about
    status = alert.status or group_status or "firing"
    if status not in ("firing", "resolved"):
        raise InputError(f"{where}.status: expected `firing` or `resolved`, got {payload.clean(status, 40)!r}")
    started_ms = _time(alert.starts_at, f"{where}.startsAt")
    ended_ms = _time(alert.ends_at, f"{where}.endsAt")
    notes = payload.strings(alert.annotations, f"{where}.annotations")
    pairs, cut = payload.bounded_labels(labels)
    happened_ms = started_ms if status == "firing" else max(started_ms, ended_ms) if ended_ms else 0
    event = Event(
        id=event_id(source, alert.fingerprint or event_id("labels", *sorted(labels.items())), started_ms),
        time_ms=min(happened_ms or now_ms, now_ms),
        service=payload.name(service_of(labels, names)),
        kind="alert",
        description=_description(labels, notes),
        url=payload.link(alert.dashboard_url or "") or payload.link(alert.generator_url or ""),
        source=source,
        status="firing" if status == "firing" else "resolved",
        labels=pairs,
        runbook=payload.link(notes.get("runbook_url", "")) or payload.link(notes.get("runbook", "")),
    )
    return event, cut


def _time(text: str | None, where: str) -> int:
    """Unix ms; 0 for none and for the zero time that stands for none."""
    return max(0, payload.rfc3339_ms(text, where)) if text else 0


def _description(labels: dict[str, str], notes: dict[str, str]) -> str:
    name = labels.get("alertname", "")
    said = next((notes[key] for key in ("summary", "description", "message") if notes.get(key)), "")
    return payload.clean(f"{name}: {said}" if name and said else name or said)
