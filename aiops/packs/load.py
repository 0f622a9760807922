"""Signal packs from YAML: those that come with the package, a user's own files, and recipes inside a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from aiops.errors import ConfigError
from aiops.model import Signal
from aiops.packs._fields import Fields
from aiops.packs._read import read_edge, read_recipe, read_signal
from aiops.packs._recipe import EdgeRule, Pack, Recipe
from aiops.packs._yaml import read_yaml
from aiops.packs.selector import METRIC_NAME
from aiops.series import SERVICE_LABELS

_FOLDER = Path(__file__).parent
_CATALOGUE = _FOLDER / "_signals.yaml"


def load_pack(path: Path) -> Pack:
    """One pack from a file.

    Raises
    ------
    ConfigError : naming file, key and rule
    """
    return parse_pack(read_yaml(path), str(path))


@cache
def built_in() -> dict[str, Pack]:
    """The packs that come with the package by name, those that own a signal first."""
    return _ordered([load_pack(path) for path in sorted(_FOLDER.glob("[!_]*.yaml"))])


def load_all(extra: Sequence[Path] = ()) -> dict[str, Pack]:
    """The packs that come with the package and those of further files, those that own a signal first.

    Raises
    ------
    ConfigError : a file is wrong, or a pack has the name of another one
    """
    packs = dict(built_in())
    for path in extra:
        pack = load_pack(path)
        if pack.name in packs:
            raise ConfigError(str(path), "pack", f"{pack.name!r} is the name of another pack; choose a new one")
        packs[pack.name] = pack
    return _ordered(list(packs.values()))


def parse_pack(value: object, where: str) -> Pack:
    """One pack from what YAML says; `where` names it in errors."""
    fields = Fields(value, where)
    name = fields.text("pack")
    service = fields.texts("service", SERVICE_LABELS)
    pack = Pack(
        name=name,
        title=fields.text("title", name),
        detect=fields.texts("detect"),
        recipes=_recipes(fields, "recipes", name, service),
        edges=_edges(fields, name),
        order=int(fields.number("order", 0, 0, 1000)),
    )
    fields.finish()
    for metric in pack.detect:
        if not METRIC_NAME.fullmatch(metric):
            raise fields.error("detect", f"must be metric names, found {metric[:60]!r}")
    if not pack.detect or not (pack.recipes or pack.edges):
        raise fields.error("", "must have at least one metric under detect, and one recipe or edge")
    return pack


def parse_recipes(items: object, where: str, key: str = "signals", pack: str = "config") -> tuple[Recipe, ...]:
    """Recipes that stand in a config under `key`, in the form they have in a pack.

    Raises
    ------
    ConfigError : naming file, key and rule
    """
    return _recipes(Fields({key: items}, where), key, pack, SERVICE_LABELS)


@cache
def catalogue() -> Mapping[str, Signal]:
    """The signals all packs share, by name."""
    fields = Fields(read_yaml(_CATALOGUE), str(_CATALOGUE))
    names = tuple(fields.names())
    return {name: read_signal(Fields(fields.get(name), str(_CATALOGUE), name), name, {}) for name in names}


def _recipes(fields: Fields, key: str, pack: str, service: tuple[str, ...]) -> tuple[Recipe, ...]:
    recipes: list[Recipe] = []
    for number, item in enumerate(fields.items(key)):
        inner = Fields(item, fields.where, f"{fields.path(key)}[{number}]")
        recipe = read_recipe(inner, pack, service, catalogue())
        if any(_same_source(recipe, other) for other in recipes):
            raise inner.error("signal", f"{recipe.signal.name} is given twice from the same metrics")
        if any(recipe.signal.name == other.signal.name and _meaning(recipe) != _meaning(other) for other in recipes):
            raise inner.error("signal", f"{recipe.signal.name} has another kind, unit or direction further up")
        recipes.append(recipe)
    return tuple(recipes)


def _same_source(one: Recipe, other: Recipe) -> bool:
    """One signal may be given from several metrics (exporters differ), but not twice from the same ones."""
    return (one.signal.name, one.of, one.to, one.peer, one.by) == (
        other.signal.name,
        other.of,
        other.to,
        other.peer,
        other.by,
    )


def _meaning(recipe: Recipe) -> tuple[str, str, str]:
    return recipe.signal.kind, recipe.signal.unit, recipe.signal.direction


def _edges(fields: Fields, pack: str) -> tuple[EdgeRule, ...]:
    rules: list[EdgeRule] = []
    for number, item in enumerate(fields.items("edges")):
        inner = Fields(item, fields.where, f"edges[{number}]")
        rule = read_edge(inner, pack)
        if rule in rules:
            raise inner.error("of", "is given twice")
        rules.append(rule)
    return tuple(rules)


def _ordered(packs: list[Pack]) -> dict[str, Pack]:
    return {pack.name: pack for pack in sorted(packs, key=lambda pack: (pack.order, pack.name))}
