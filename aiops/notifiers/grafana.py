"""Incidents and their anomalies as annotations of Grafana: regions on every panel that asks for their tags.

A region is created when people are told, and closed when what it shows is over. Grafana has no idempotency keys: so it
is noted before a region is created, and one that may have been created is looked for by its tags before it is created
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from aiops.errors import DeliveryError, Unsure
from aiops.model import Incident, Notification
from aiops.notifiers._base import Receipt
from aiops.notifiers._region import TAG, Region, regions_of
from aiops.notifiers._rest import Rest
from aiops.notifiers.receipts import Receipts

LOOK_S = 30.0
"""How often regions of live incidents are brought up to date: chosen, a usual step of the data."""
CLEAN_MS = 3_600_000
"""How often old regions are removed; chosen."""
_PATH = "/api/annotations"
_PAGE = 100
_MOST_PAGES = 20
_BEGUN = "begun"
"""Kept in the place of an id while it is not known whether a region was created."""
_GONE = "gone"
"""Kept in the place of an id that somebody has deleted in Grafana."""


class GrafanaNotifier:
    """Keeps the annotations of one organisation of a Grafana.

    Parameters
    ----------
    receipts : where the ids of annotations are kept
    clock : the wall clock, unix ms
    live : incidents that go on
    tags : further tags of every region
    page : where people reach our pages
    keep_ms : older regions of ours are removed; 0 = never
    """

    def __init__(
        self,
        rest: Rest,
        receipts: Receipts,
        clock: Callable[[], int],
        *,
        live: Callable[[], Sequence[Incident]],
        tags: Sequence[str] = (),
        page: str = "",
        keep_ms: int = 0,
    ) -> None:
        self._rest = rest
        self._receipts = receipts
        self._clock = clock
        self._live = live
        self._tags = tuple(tags)
        self._page = page
        self._keep_ms = keep_ms
        self._clean_ms = 0
        self._shown: dict[str, int] = {}
        self._one = asyncio.Lock()

    async def send(self, notification: Notification) -> Receipt:
        """Bring the regions of the incident up to date."""
        async with self._one:
            await self._show(notification.incident, notification.key)
        kept = await self._receipts.of(notification.incident.id)
        return Receipt(kept.get("incident", "").partition(" ")[0])

    async def tend(self, now_ms: int) -> float:
        """Open and close regions of anomalies of incidents that go on, and remove what is old.

        Raises
        ------
        Retry, Reject : Grafana did not do it
        StoreError : the receipts cannot be read
        """
        told = await self._receipts.named("incident")
        for incident in await asyncio.to_thread(self._live):
            async with self._one:
                # What was read before a notification is older than what that one has shown.
                if incident.id in told and self._shown.get(incident.id, -1) < incident.updated_ms:
                    await self._show(incident, "")
        self._shown = {i: at_ms for i, at_ms in self._shown.items() if i in told}
        if self._keep_ms and not self._clean_ms - CLEAN_MS <= now_ms < self._clean_ms:
            for kind in ("incident", "anomaly"):
                await self._clean(f"{TAG}:{kind}", now_ms - self._keep_ms)
            self._clean_ms = now_ms + CLEAN_MS
        return LOOK_S

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()

    async def _show(self, incident: Incident, key: str) -> None:
        kept = await self._receipts.of(incident.id)
        for region in regions_of(incident, self._tags, self._page):
            number, _, digest = kept.get(region.name, "").partition(" ")
            if number == _GONE or digest == region.digest():
                continue
            found = int(number) if number.isdigit() else await self._begin(incident.id, region, number, key)
            if found is not None:
                await self._change(incident.id, region, found, key)
        self._shown[incident.id] = incident.updated_ms

    async def _begin(self, incident_id: str, region: Region, state: str, key: str) -> int | None:
        """Create a region, or find the one that is there already; then its id."""
        if state == _BEGUN and (found := await self._find(region)) is not None:
            return found
        await self._keep(incident_id, region, _BEGUN)
        ends = {} if region.end_ms is None else {"timeEnd": region.end_ms}
        body = {"time": region.start_ms, **ends, "tags": region.tags, "text": region.text}
        try:
            answer = await self._rest.call("POST", _PATH, json=body, headers=_headers(key))
        except Unsure:
            raise
        except DeliveryError:
            # It was not created: the next time there is nothing to look for.
            await self._keep(incident_id, region, "")
            raise
        made = answer.body.get("id") if isinstance(answer.body, dict) else None
        if isinstance(made, int):
            await self._keep(incident_id, region, f"{made} {region.digest()}")
        return None

    async def _change(self, incident_id: str, region: Region, number: int, key: str) -> None:
        ends = {} if region.end_ms is None else {"timeEnd": region.end_ms}
        body = {"time": region.start_ms, **ends, "tags": region.tags, "text": region.text}
        answer = await self._rest.call("PATCH", f"{_PATH}/{number}", json=body, headers=_headers(key), fine=(404,))
        state = _GONE if answer.status == 404 else f"{number} {region.digest()}"
        await self._keep(incident_id, region, state)

    async def _find(self, region: Region) -> int | None:
        answer = await self._rest.call("GET", _PATH, params={"tags": region.mark, "limit": "10"})
        rows = msgspec.convert(answer.body, list[_Row]) if isinstance(answer.body, list) else []
        return min((row.id for row in rows), default=None)

    async def _keep(self, incident_id: str, region: Region, state: str) -> None:
        await self._receipts.keep(incident_id, {region.name: state})

    async def _clean(self, kind: str, before_ms: int) -> None:
        """Remove our regions with this tag that were over before then."""
        # Without a start, Grafana takes no notice of the end.
        times = {"from": "1", "to": str(before_ms), "limit": str(_PAGE)}
        params = {"tags": [TAG, kind, *self._tags], **times}
        for _ in range(_MOST_PAGES):
            answer = await self._rest.call("GET", _PATH, params=params)
            rows = msgspec.convert(answer.body, list[_Row]) if isinstance(answer.body, list) else []
            # A region is in the range as soon as a part of it is.
            old = [row for row in rows if max(row.time, row.timeEnd) < before_ms]
            for row in old:
                await self._rest.call("DELETE", f"{_PATH}/{row.id}", fine=(404,))
            if not old:
                return


class _Row(msgspec.Struct):
    """An annotation as Grafana gives it."""

    id: int
    time: int
    timeEnd: int = 0  # noqa: N815 - Grafana's name


def _headers(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}
