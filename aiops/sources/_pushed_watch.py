"""Which pushed series anybody wants: the recipes and edge rules of the active packs, looked up by metric name."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from aiops.model import SeriesKey
from aiops.packs._recipe import EdgeRule, Pack, Recipe, Selector
from aiops.packs.keys import edge_of, series_key

Side = Literal["of", "to"]


@dataclass(frozen=True, slots=True)
class Use:
    """A raw series' part in a watched series.

    Parameters
    ----------
    recipe : index into `Watchlist.recipes`
    side : numerator (or only side) or denominator
    key : the watched series
    bound : upper bound of the bucket for form `quantile`, else 0
    """

    recipe: int
    side: Side
    key: SeriesKey
    bound: float = 0.0


Owns = Callable[[str], bool]
"""Whether the signals and calls of a service are looked after here."""


class Watchlist:
    """Recipes in the order of the packs; an earlier one has precedence over a later one.

    Parameters
    ----------
    owns : what belongs to other services is left out, so that several processes may share all services
    """

    def __init__(self, packs: Iterable[Pack], owns: Owns = lambda _: True) -> None:
        packs = tuple(packs)
        self._owns = owns
        self.recipes: tuple[Recipe, ...] = tuple(recipe for pack in packs for recipe in pack.recipes)
        self._sides: dict[str, list[tuple[int, Side, Selector]]] = defaultdict(list)
        self._edges: dict[str, list[EdgeRule]] = defaultdict(list)
        for i, recipe in enumerate(self.recipes):
            self._sides[recipe.of.metric].append((i, "of", recipe.of))
            if recipe.to is not None:
                self._sides[recipe.to.metric].append((i, "to", recipe.to))
        for pack in packs:
            for rule in pack.edges:
                self._edges[rule.of.metric].append(rule)

    def uses(self, labels: dict[str, str]) -> tuple[Use, ...]:
        """What the series with these labels is used for."""
        found = []
        for i, side, selector in self._sides.get(labels["__name__"], ()):
            if not selector.accepts(labels):
                continue
            recipe = self.recipes[i]
            key, bound = series_key(recipe, labels), _bound(recipe, labels)
            if key is not None and bound is not None and self._owns(key.service):
                found.append(Use(i, side, key, bound))
        return tuple(found)

    def is_edge(self, labels: dict[str, str]) -> bool:
        """Tell whether the series with these labels shows a call of a service that is looked after here."""
        return any(self._owns(caller) for caller in self.callers(labels))

    def callers(self, labels: dict[str, str]) -> list[str]:
        """Services of which the series with these labels shows a call."""
        rules = self._edges.get(labels["__name__"])
        if not rules:
            return []
        calls = [edge_of(rule, labels) for rule in rules if rule.of.accepts(labels)]
        return [call[0] for call in calls if call is not None]


def _bound(recipe: Recipe, labels: dict[str, str]) -> float | None:
    if recipe.form != "quantile":
        return 0.0
    try:
        bound = float(labels.get("le", ""))
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
