from __future__ import annotations

from pathlib import Path

import pytest

import aiops.packs
from aiops.packs import Pack, Recipe
from aiops.packs.load import built_in, catalogue
from aiops.packs.match import present

PACKS = list(built_in().values())
RECIPES = [recipe for pack in PACKS for recipe in pack.recipes]


def test_every_file_that_ships_is_a_pack_named_as_its_file():
    files = {path.stem for path in Path(aiops.packs.__file__).parent.glob("[!_]*.yaml")}
    assert set(built_in()) == files


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_everything_a_pack_reads_makes_it_apply(pack: Pack):
    metrics = {selector.metric for recipe in pack.recipes for selector in (recipe.of, recipe.to) if selector}
    metrics |= {rule.of.metric for rule in pack.edges}
    assert present({pack.name: pack}, metrics | set(pack.detect)) == {pack.name: pack}
    assert pack.title != pack.name


def test_every_shared_signal_is_given_by_a_pack_and_told_in_the_catalogue():
    assert {recipe.signal.name for recipe in RECIPES} == set(catalogue())


def test_only_what_users_feel_may_open_an_incident():
    paging = {recipe.signal.name for recipe in RECIPES if recipe.signal.pages}
    assert paging <= {"latency_p95", "latency_mean", "error_ratio", "requests_rate"}
    assert all(not recipe.signal.pages for recipe in RECIPES if recipe.peer)


def test_lost_traffic_pages_downwards():
    assert {r.signal.direction for r in RECIPES if r.signal.kind == "traffic" and r.signal.pages} == {"down"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.pack}-{r.signal.name}-{r.of.metric}")
def test_a_recipe_is_plausible(recipe: Recipe):
    assert recipe.form != "quantile" or f"{recipe.q * 100:.0f}" == recipe.signal.name[-2:]
    assert (
        recipe.scale == 1.0
        or "milli" in recipe.of.metric
        or "_ms" in recipe.of.metric
        or recipe.signal.unit.endswith("/min")
        or "duration" in recipe.of.metric
        or "usec" in recipe.of.metric
    )
    assert not recipe.signal.name.startswith("client_") or recipe.peer
    assert (recipe.form == "quantile") == recipe.of.metric.endswith("_bucket")
    if recipe.form == "mean":
        assert recipe.to is not None
        assert recipe.of.matchers == recipe.to.matchers
