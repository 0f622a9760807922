"""Which packs apply to a server, from the names of its metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from aiops.packs._recipe import Pack, Recipe


def present(packs: Mapping[str, Pack], metric_names: Collection[str]) -> dict[str, Pack]:
    """The packs that apply, each cut down to recipes and edge rules whose metrics are there, in the order given."""
    names = frozenset(metric_names)
    found: dict[str, Pack] = {}
    for name, pack in packs.items():
        recipes = tuple(recipe for recipe in pack.recipes if answers(recipe, names))
        edges = tuple(rule for rule in pack.edges if rule.of.metric in names)
        if names.intersection(pack.detect) and (recipes or edges):
            found[name] = replace(pack, recipes=recipes, edges=edges)
    return found


def answers(recipe: Recipe, names: frozenset[str]) -> bool:
    """Tell whether a recipe's query can give anything.

    The counter of errors may not exist before the first error, so a ratio needs its denominator only.
    """
    if recipe.form == "ratio":
        return recipe.to is not None and recipe.to.metric in names
    return recipe.of.metric in names and (recipe.to is None or recipe.to.metric in names)
