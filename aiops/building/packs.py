"""The signal packs that settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiops.config import Settings
from aiops.errors import ConfigError
from aiops.packs import EdgeRule, Pack
from aiops.packs.load import load_all, parse_recipes


def all_packs(settings: Settings) -> dict[str, Pack]:
    """The packs that come with the package, and the settings' own recipes as one more."""
    packs = dict(load_all())
    if settings.signals:
        recipes = parse_recipes(settings.signals, "the configuration", "signals")
        detect = tuple(sorted({r.of.metric for r in recipes}))
        packs = {"config": Pack("config", "own signals", detect, recipes)} | packs
    return packs


def chosen(packs: Mapping[str, Pack], names: Sequence[str] | str, where: str) -> dict[str, Pack]:
    """The named packs, in order of precedence; "auto" = all of them.

    Raises
    ------
    ConfigError : there is no pack of that name
    """
    if isinstance(names, str):
        return dict(packs)
    for name in names:
        if name not in packs:
            raise ConfigError("the configuration", where, f"there is no pack {name!r}; there are {', '.join(packs)}")
    return {name: pack for name, pack in packs.items() if name in names or name == "config"}


def edges(packs: Mapping[str, Pack]) -> tuple[EdgeRule, ...]:
    """Rules that find calls between services, of all of them."""
    return tuple(edge for pack in packs.values() for edge in pack.edges)
