"""Hard budgets: how many series a source may watch and how often a Prometheus may be asked, by all limits together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aiops._cost import FULL, LIGHT, Load
from aiops.building.packs import chosen, edges
from aiops.config import PrometheusSettings, Settings, source_name
from aiops.errors import ConfigError
from aiops.packs import Pack, Recipe

WHERE = "the configuration"

QUERY_ADVICE = "raise it, prometheus.step_s or graph.refresh_s, or name fewer prometheus.packs"

FULL_SHARE = 0.8
"""Of the memory, what the full bank may fill when not all series fit in it; the rest is the light bank's. Chosen."""


@dataclass(frozen=True, slots=True)
class SeriesBudget:
    """What one source may watch.

    Parameters
    ----------
    most : series; what comes after them is refused
    full : of them, in the full bank
    limited_by : the setting that says so, with its value
    """

    most: int
    full: int
    limited_by: str


def series_budget(settings: Settings) -> SeriesBudget:
    """What each source may watch: `limits.max_memory_mb` is shared equally by all sources, and all partitions on Kafka.

    Raises
    ------
    ConfigError : the memory is not enough for a single series
    """
    one = settings.limits
    full = min(one.max_series, one.max_full_series)
    by_count = SeriesBudget(one.max_series, full, f"limits.max_series = {one.max_series}")
    if not one.max_memory_mb:
        return by_count
    shares = max(1, len(settings.prometheus) + settings.push.enabled)
    shares *= settings.kafka.partitions if settings.kafka.bootstrap else 1
    share_bytes = one.max_memory_mb * 1e6 / shares
    if share_bytes < FULL.memory_bytes:
        rule = (
            f"is {one.max_memory_mb:g}, which has no room for one series in each of {shares} shares "
            f"({FULL.memory_bytes:g} bytes); raise it, or set 0 for no limit"
        )
        raise ConfigError(WHERE, "limits.max_memory_mb", rule)
    return _within(by_count, share_bytes, f"limits.max_memory_mb = {one.max_memory_mb:g}")


def _within(by_count: SeriesBudget, share_bytes: float, limited_by: str) -> SeriesBudget:
    if Load(by_count.full, by_count.most - by_count.full, 1.0).memory_bytes <= share_bytes:
        return by_count
    full = min(by_count.full, max(1, int(FULL_SHARE * share_bytes / FULL.memory_bytes)))
    most = full + int((share_bytes - full * FULL.memory_bytes) / LIGHT.memory_bytes)
    return SeriesBudget(most, full, limited_by) if most < by_count.most else replace(by_count, full=full)


def recipe_budget(one: PrometheusSettings, settings: Settings, packs: Mapping[str, Pack]) -> int | None:
    """How many recipes `limits.max_queries_per_minute` lets a Prometheus be asked for; None = any number.

    Each recipe is a query a step, each edge rule one per `graph.refresh_s`. History is not counted: it is read once.

    Raises
    ------
    ConfigError : the edge rules, or the packs that are named, take more than that
    """
    limit = settings.limits.max_queries_per_minute
    if not limit:
        return None
    per_recipe, rules = 60.0 / one.step_s, len(edges(packs))
    for_edges = rules * 60.0 / settings.graph.refresh_s
    room = int((limit - for_edges) / per_recipe + 1e-9)
    needed = 1 if one.packs == "auto" else _recipes(one, packs)
    if room < needed:
        rule = (
            f"is {limit:g}, but {source_name(one)} would be asked {needed * per_recipe + for_edges:g} times a minute "
            f"({needed} recipes every {one.step_s:g} s, {rules} edge rules every {settings.graph.refresh_s:g} s); "
            f"{QUERY_ADVICE}"
        )
        raise ConfigError(WHERE, "limits.max_queries_per_minute", rule)
    return room


def _recipes(one: PrometheusSettings, packs: Mapping[str, Pack]) -> int:
    return sum(len(pack.recipes) for pack in chosen(packs, one.packs, "prometheus.packs").values())


def preview(settings: Settings, packs: Mapping[str, Pack]) -> list[str]:
    """What each source costs at most, on Kafka in each partition: its series budget used up, and the queries it asks.

    Raises
    ------
    ConfigError : a budget cannot be kept
    """
    budget = series_budget(settings)
    sources = [(source_name(one), one.step_s) for one in settings.prometheus]
    sources += [("push", settings.push.step_s)] if settings.push.enabled else []
    most, full = budget.most, budget.full
    place = f" in each of {settings.kafka.partitions} partitions" if settings.kafka.bootstrap else ""
    lines = [
        f"at most: {name}{place} {most:,} series, {full:,} of them in the full bank: "
        f"{Load(full, most - full, step_s).text()} ({budget.limited_by})"
        for name, step_s in sources
    ]
    return lines + [_query_line(one, settings, packs) for one in settings.prometheus]


def _query_line(one: PrometheusSettings, settings: Settings, packs: Mapping[str, Pack]) -> str:
    room = recipe_budget(one, settings, packs)
    recipes = _recipes(one, packs)
    asked = min(recipes, recipes if room is None else room) * 60.0 / one.step_s
    asked += len(edges(packs)) * 60.0 / settings.graph.refresh_s
    limit = settings.limits.max_queries_per_minute
    told = f" (limits.max_queries_per_minute = {limit:g})" if limit else ""
    return f"at most: {source_name(one)} {asked:,.0f} queries a minute{told}"


def fitting(recipes: Sequence[Recipe], most: int | None) -> tuple[tuple[Recipe, ...], tuple[str, ...]]:
    """The recipes of the first packs that fit into so many together, and the names of the packs that are left out.

    A pack is left out as a whole: half of one would look like a fault.
    """
    sizes = Counter(recipe.pack for recipe in recipes)
    taken, kept = 0, set()
    for name, size in sizes.items():
        if most is None or taken + size <= most:
            kept.add(name)
            taken += size
    return tuple(r for r in recipes if r.pack in kept), tuple(name for name in sizes if name not in kept)
