"""A receiver that is only told of some incidents."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from aiops.model import Incident, Notification
from aiops.notifiers._base import Notifier, Receipt, at_once
from aiops.notifiers.receipts import Receipts

TOLD = "told"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which incidents a receiver is for. An empty part wants all.

    Parameters
    ----------
    severities : it is for incidents as severe as these
    services : it is for incidents in which one of these takes part; `*` stands for any text
    kinds : it is for incidents of these kinds
    nothing : it is for no incident at all
    """

    severities: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    nothing: bool = False

    def unwanted(self, incident: Incident) -> str:
        """Why a receiver is not for an incident; "" = it is.

        >>> incident = Incident("i", "open", "", "warning", 0, 0, services=("shop-cart",))
        >>> Rule(services=("shop-*",)).unwanted(incident), Rule(("critical",)).unwanted(incident)
        ('', 'not for severity warning')
        """
        if self.nothing:
            return "not for incidents"
        if self.kinds and incident.kind not in self.kinds:
            return f"not for {incident.kind} incidents"
        if self.severities and incident.severity not in self.severities:
            return f"not for severity {incident.severity}"
        wanted = any(fnmatchcase(service, pattern) for service in incident.services for pattern in self.services)
        return "not for its services" if self.services and not wanted else ""


class OnlyNotifier:
    """Passes on what its rule wants, and all that is said later of an incident it has passed on.

    Parameters
    ----------
    inner : told of what is wanted
    receipts : where it is kept which incidents were
    """

    def __init__(self, inner: Notifier, rule: Rule, receipts: Receipts) -> None:
        self.inner = inner
        self._rule = rule
        self._receipts = receipts

    @property
    def at_once(self) -> int:
        """As many as the inner one."""
        return at_once(self.inner)

    async def send(self, notification: Notification) -> Receipt:
        """Pass it on, or say why it is left out."""
        incident = notification.incident
        if why := self._rule.unwanted(incident):
            if not (await self._receipts.recall(incident.id)).get(TOLD):
                return Receipt(left_out=why)
        elif notification.reason == "resolved" and not (await self._receipts.recall(incident.id)).get(TOLD):
            # It has become one for this receiver only with its end: there is nothing to take back.
            return Receipt(left_out="over before it was one for this receiver")
        receipt = await self.inner.send(notification)
        await self._receipts.note(incident.id, {TOLD: "yes"})
        return receipt

    async def close(self) -> None:
        """Close the inner one."""
        await self.inner.close()
