"""Silences of an Alertmanager: read, created on request, ended on request."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from aiops.model import Anomaly, Event, Incident
from aiops.notifiers._alert import moment
from aiops.notifiers._replicas import Replicas
from aiops.silence import Matcher, Silence, proposal, why_silent

log = logging.getLogger(__name__)

READ_S = 15.0
"""How often they are read: chosen, below the group wait, so that a silence holds before the incident is told."""


class Silences:
    """What is silenced now.

    What was read last holds as long as it would have, should Alertmanager not answer.

    Parameters
    ----------
    clock : the wall clock, unix ms: a silence is about telling people now, whenever it was that something was seen
    labels : labels that all alerts of ours have
    """

    def __init__(self, replicas: Replicas, clock: Callable[[], int], labels: Mapping[str, str] | None = None) -> None:
        self._replicas = replicas
        self._clock = clock
        self._labels = dict(labels or {})
        self._unreadable: set[str] = set()
        self.known: tuple[Silence, ...] = ()

    async def tend(self, now_ms: int) -> float:
        """Read them; gives the seconds until it is due again.

        Raises
        ------
        Retry, Reject : no replica gives them
        """
        answer = await self._replicas.first("GET", "/api/v2/silences")
        rows = answer.body if isinstance(answer.body, list) else []
        read = [silence for row in rows if (silence := self._read(row)) is not None]
        self.known = tuple(silence for silence in read if silence.ends_ms > now_ms)
        return READ_S

    def why(self, item: Anomaly | Event) -> str:
        """Why nobody is to be told of an item now; "" = it is not silenced. Any thread may ask."""
        return why_silent(self.known, item, self._clock(), self._labels)

    def propose(self, incident: Incident, duration_s: float, created_by: str) -> Silence:
        """A silence from now for what an incident is about, to be shown and then created."""
        return proposal(incident, self._clock(), duration_s, created_by)

    async def create(self, silence: Silence) -> str:
        """Have Alertmanager keep a silence; it holds here at once.

        Returns
        -------
        Its id

        Raises
        ------
        Retry : no replica answers; it may have been created
        Reject : it is not accepted, and why
        """
        matchers = [
            {"name": m.name, "value": m.value, "isRegex": m.is_regex, "isEqual": m.is_equal} for m in silence.matchers
        ]
        times = {"startsAt": moment(silence.starts_ms), "endsAt": moment(silence.ends_ms)}
        by = {"createdBy": silence.created_by or "aiops", "comment": silence.comment or "created in aiops"}
        answer = await self._replicas.first("POST", "/api/v2/silences", json={"matchers": matchers, **times, **by})
        made = str(answer.body.get("silenceID", "")) if isinstance(answer.body, dict) else ""
        held = replace(silence, created_by=by["createdBy"], comment=by["comment"], id=made)
        self.known = (*self.known, held)
        log.info("silence created id=%s by=%s matchers=%s", made, by["createdBy"], [str(m) for m in silence.matchers])
        return made

    async def end(self, silence_id: str) -> None:
        """End a silence before its time. One that is gone is none to complain about.

        Raises
        ------
        Retry, Reject : no replica did it
        """
        path = f"/api/v2/silence/{quote(silence_id, safe='')}"
        # Asked first, because some versions answer 500 when it is gone or over.
        found = await self._replicas.first("GET", path, fine=(404,))
        if found.status != httpx.codes.NOT_FOUND and found.body["status"]["state"] != "expired":
            await self._replicas.first("DELETE", path)
        self.known = tuple(silence for silence in self.known if silence.id != silence_id)

    async def close(self) -> None:
        """Close connections."""
        await self._replicas.close()

    def _read(self, row: Any) -> Silence | None:
        """A silence as the API gives it; one we cannot read is said once and silences nothing."""
        try:
            if row["status"]["state"] == "expired":
                return None
            matchers = tuple(
                Matcher(m["name"], m["value"], bool(m.get("isRegex")), bool(m.get("isEqual", True)))
                for m in row["matchers"]
            )
            for matcher in matchers:
                re.compile(matcher.value if matcher.is_regex else "")
            starts_ms, ends_ms = (
                round(datetime.fromisoformat(row[k]).timestamp() * 1000) for k in ("startsAt", "endsAt")
            )
            said = (str(row.get("createdBy", "")), str(row.get("comment", "")), str(row["id"]))
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
            name = str(row.get("id", "?"))[:80] if isinstance(row, dict) else "?"
            if name not in self._unreadable:
                log.warning("silence ignored id=%s reason=%s", name, error)
            self._unreadable.add(name)
            return None
        return Silence(matchers, starts_ms, ends_ms, *said)
