"""From the labels of a series or a query result to the watched series it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiops.model import SeriesKey
from aiops.packs._recipe import EdgeRule, Recipe
from aiops.series import service_of

SERVICE_LABEL = "aiops_service"
"""Label that carries the service in results of `promql.query`: the first non-empty of the recipe's labels."""

PEER_LABEL = "aiops_peer"
"""The same for the callee."""

SEPARATOR = ";"
"""Stands between joined label values in PromQL; a service name with it in is cut there."""

SERVICE_PATTERN = rf"{SEPARATOR}*(?:[^{SEPARATOR}]*/)?([^{SEPARATOR}/]*)(?:{SEPARATOR}(?s:.*))?"
"""Picks the service out of joined label values, as `aiops.series.service_of` does; group 1 is the name."""

PEER_PATTERN = (
    rf"{SEPARATOR}*(?:[^{SEPARATOR}]*/)?([^{SEPARATOR}/]*?)"
    rf"(?:\.[^.{SEPARATOR}/:]+\.svc(?:\.[^{SEPARATOR}/:]*)?)?(?::[0-9]+)?(?:{SEPARATOR}(?s:.*))?"
)
"""The same for a callee, which clients know by address: a port and a Kubernetes service domain are cut off."""

_ADDRESS = re.compile(PEER_PATTERN, re.DOTALL)


def peer_of(labels: dict[str, str], names: tuple[str, ...]) -> str:
    """The callee that labels name, "" if none.

    >>> peer_of({"server_address": "cart.shop.svc.cluster.local:8080"}, ("server_address",))
    'cart'
    >>> peer_of({"server_address": "api.example.com"}, ("server_address",))
    'api.example.com'
    """
    match = _ADDRESS.fullmatch(service_of(labels, names))
    return match.group(1) if match else ""


def series_key(recipe: Recipe, labels: dict[str, str]) -> SeriesKey | None:
    """The watched series of a result of the recipe's query, or of a raw series the recipe selects.

    None where no service is named, where the signal belongs to a call and no callee is named, and for a service
    calling itself.
    """
    service = labels[SERVICE_LABEL] if SERVICE_LABEL in labels else service_of(labels, recipe.service)
    peer = ""
    if recipe.peer:
        peer = labels[PEER_LABEL] if PEER_LABEL in labels else peer_of(labels, recipe.peer)
    if not service or (recipe.peer and peer in ("", service)):
        return None
    kept = tuple((name, labels[name]) for name in sorted(recipe.by) if labels.get(name))
    return SeriesKey(recipe.signal.name, service, peer, kept)


def edge_of(rule: EdgeRule, labels: dict[str, str]) -> tuple[str, str] | None:
    """The call (caller, callee) that a result of the rule's query, or a raw series it selects, shows."""
    caller = labels[SERVICE_LABEL] if SERVICE_LABEL in labels else service_of(labels, rule.caller)
    callee = labels[PEER_LABEL] if PEER_LABEL in labels else peer_of(labels, rule.callee)
    return (caller, callee) if caller and callee and caller != callee else None


class Owners:
    """Which recipe gives a watched series: the first one that shows it.

    A service often reports one signal in two ways (its own histogram, its proxy's). Both would have the same
    `SeriesKey`; mixing them would show a jump whenever one of them pauses.
    """

    def __init__(self) -> None:
        self._owner: dict[SeriesKey, Recipe] = {}
        self.refused = 0

    def take(self, key: SeriesKey, recipe: Recipe) -> bool:
        """Tell whether this recipe gives this series; count it in `refused` if another one does."""
        owner = self._owner.setdefault(key, recipe)
        if owner is recipe or owner == recipe:
            return True
        self.refused += 1
        return False

    def let_go(self, keys: Iterable[SeriesKey]) -> None:
        """Let any recipe give these series again."""
        for key in keys:
            self._owner.pop(key, None)
