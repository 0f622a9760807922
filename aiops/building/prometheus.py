"""A configured Prometheus becomes a client and a source."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiops._budgets import QUERY_ADVICE, fitting
from aiops._secret_file import read_secret
from aiops.building.packs import chosen
from aiops.config import PrometheusSettings, source_name
from aiops.errors import Unavailable
from aiops.packs import Pack, Recipe
from aiops.packs.match import present
from aiops.packs.promql import query
from aiops.secret import Secret
from aiops.series import SeriesTable
from aiops.sources import Source
from aiops.sources.auto import AutoSource
from aiops.sources.prometheus import Connection, PrometheusClient, PrometheusSource, Timing
from aiops.telemetry import Health

log = logging.getLogger(__name__)

RECENT_S = 3600.0  # before the first start, older samples than this are history: they teach and raise nothing


def prometheus_client(one: PrometheusSettings, base: Path) -> PrometheusClient:
    """A client for a configured Prometheus."""
    auth = one.basic_auth
    connection = Connection(
        url=one.url,
        headers={name: Secret(value) for name, value in one.headers.items()},
        user=auth.username if auth else "",
        password=read_secret(auth.password_file, base) if auth else None,
        bearer_token_file=base / one.bearer_token_file if one.bearer_token_file else None,
        ca_file=base / one.ca_file if one.ca_file else None,
        tenant=one.tenant,
        timeout_s=one.timeout_s,
        max_points=one.max_points,
    )
    return PrometheusClient(connection, concurrency=one.concurrency)


def prometheus_source(
    one: PrometheusSettings,
    client: PrometheusClient,
    recipes: Sequence[Recipe],
    table: SeriesTable,
    wall: Callable[[], float] = time.time,
) -> PrometheusSource:
    """A source over recipes that are known."""
    window_s = one.window_s or max(60.0, 4 * one.step_s)
    return PrometheusSource(
        source_name(one),
        client,
        recipes,
        table,
        query_of=lambda recipe: query(recipe, window_s),
        timing=Timing(
            step_s=one.step_s,
            lateness_s=one.lateness_steps * one.step_s,
            history_s=one.history_days * 86_400.0,
            recent_s=RECENT_S,
            max_catch_up_s=one.catch_up_hours * 3600.0,
        ),
        clock=wall,
    )


async def matching_recipes(
    one: PrometheusSettings, client: PrometheusClient, packs: Mapping[str, Pack]
) -> tuple[Recipe, ...]:
    """Recipes that can give something on this Prometheus."""
    names = await client.metric_names()
    wanted = chosen(packs, one.packs, "prometheus.packs")
    return tuple(recipe for pack in present(wanted, names).values() for recipe in pack.recipes)


def pull_source(
    one: PrometheusSettings,
    table: SeriesTable,
    packs: Mapping[str, Pack],
    *,
    client: PrometheusClient,
    health: Health,
    wall: Callable[[], float],
    most_recipes: int | None = None,
) -> AutoSource:
    """A source that looks for its signals until it finds some.

    Parameters
    ----------
    most_recipes : that it may be asked for; packs that do not fit are left out, and health says which; None = any
    """
    name = source_name(one)
    chosen(packs, one.packs, "prometheus.packs")

    async def find() -> Source:
        recipes = await matching_recipes(one, client, packs)
        if not recipes:
            raise Unavailable(
                "no signal pack matches its metrics; `aiops init` says what there is, `signals` adds your own"
            )
        recipes, left_out = fitting(recipes, most_recipes)
        if left_out:
            reason = f"limits.max_queries_per_minute leaves out the packs {', '.join(left_out)}; {QUERY_ADVICE}"
            log.warning("source=%s %s", name, reason)
            health.warn(f"queries to {name}", reason)
        if not recipes:
            raise Unavailable(f"limits.max_queries_per_minute has no room for any pack that matches; {QUERY_ADVICE}")
        health.good(name)
        return prometheus_source(one, client, recipes, table, wall)

    return AutoSource(name, table, one.step_s, find=find, failed=lambda reason: health.bad(name, reason))
