"""All replicas of an Alertmanager as one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiops.errors import DeliveryError, Reject, Retry
from aiops.notifiers._rest import Answer, Rest

log = logging.getLogger(__name__)

ALERTS = "/api/v2/alerts"
BATCH = 256
"""Alerts in one request, as Prometheus sends them."""


class Replicas:
    """Sends alerts to every replica: they tell each other what they have notified, not what they were sent."""

    def __init__(self, replicas: Sequence[Rest]) -> None:
        self._replicas = tuple(replicas)
        self._said: dict[str, str] = {}

    async def post(self, alerts: Sequence[dict[str, object]], key: str = "") -> DeliveryError | None:
        """Give alerts to all replicas. One that has them is enough: the others get them when they are sent again.

        Returns
        -------
        What went wrong with one of them, if anything did

        Raises
        ------
        Retry, Reject : no replica took them
        """
        headers = {"Idempotency-Key": key} if key else {}
        wrong: list[DeliveryError] = []
        for start in range(0, len(alerts), BATCH):
            batch = alerts[start : start + BATCH]
            calls = (self._post(rest, batch, headers) for rest in self._replicas)
            faults = await asyncio.gather(*calls)
            self._raise(faults)
            wrong += [fault for fault in faults if fault is not None]
        return next(iter(wrong), None)

    async def first(self, method: str, path: str, *, json: object = None, fine: Sequence[int] = ()) -> Answer:
        """The answer of the first replica that gives one.

        Raises
        ------
        Retry, Reject : none does
        """
        faults: list[DeliveryError | None] = []
        for rest in self._replicas:
            try:
                return await rest.call(method, path, json=json, fine=fine)
            except (Retry, Reject) as error:
                self._note(rest, error)
                faults.append(error)
        self._raise(faults)
        raise AssertionError("there is at least one replica")

    async def close(self) -> None:
        """Close connections."""
        for rest in self._replicas:
            await rest.close()

    async def _post(self, rest: Rest, batch: Sequence[object], headers: dict[str, str]) -> DeliveryError | None:
        try:
            await rest.call("POST", ALERTS, json=batch, headers=headers)
        except (Retry, Reject) as error:
            self._note(rest, error)
            return error
        self._said.pop(rest.host, None)
        return None

    def _note(self, rest: Rest, error: DeliveryError) -> None:
        if self._said.get(rest.host) != str(error):
            log.warning("alertmanager failed reason=%s", error)
        self._said[rest.host] = str(error)

    @staticmethod
    def _raise(faults: Sequence[DeliveryError | None]) -> None:
        """Raise if all failed: what may work later rather than what never will."""
        found = [fault for fault in faults if fault is not None]
        if found and len(found) == len(faults):
            raise next((fault for fault in found if isinstance(fault, Retry)), found[0])
