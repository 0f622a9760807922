"""Budgets of memory and queries: what is allowed, and what is said when they are reached."""

import asyncio
import logging
from pathlib import Path

import pytest

from aiops import app, config
from aiops._budgets import fitting, preview, recipe_budget, series_budget
from aiops._cost import FULL, LIGHT, Load
from aiops.building.inputs import build_inputs
from aiops.building.prometheus import pull_source
from aiops.building.rules import detection_rules
from aiops.commands import service
from aiops.errors import ConfigError, Unavailable
from aiops.packs.load import load_all
from aiops.packs.promql import query
from aiops.series import SeriesTable
from aiops.stores.place import open_store
from aiops.telemetry import Health
from tests.sources._fake_prometheus import FakePrometheus, serve

PACKS = load_all()
PULLED = "prometheus: [{url: 'http://p:9090', packs: PACKS, step_s: 30}]\npush: {enabled: false}\n"


def settings(text: str) -> config.Settings:
    return config.parse(text, where="test")


def test_days_of_silence_reach_the_detectors_as_seconds():
    assert detection_rules(settings("limits: {evict_after_days: 2}")).evict_after_s == 172_800.0
    assert detection_rules(settings("")).evict_after_s == 7 * 86_400.0


def memory(mb: float, more: str = "") -> config.Settings:
    return settings(f"limits: {{max_memory_mb: {mb}}}\n{more}")


def test_without_a_limit_of_memory_only_the_numbers_of_series_count():
    budget = series_budget(settings("limits: {max_series: 3000, max_full_series: 1000}"))
    assert (budget.most, budget.full, budget.limited_by) == (3000, 1000, "limits.max_series = 3000")


def test_memory_that_is_enough_for_all_series_changes_nothing():
    assert series_budget(memory(440)) == series_budget(settings(""))


def test_memory_that_is_short_turns_full_series_into_light_ones_before_any_is_refused():
    budget = series_budget(memory(390))
    assert (budget.most, budget.limited_by) == (100_000, "limits.max_series = 100000")
    assert budget.full == 0.8 * 390e6 / FULL.memory_bytes


def test_memory_that_is_too_short_for_all_refuses_and_is_never_exceeded():
    budget = series_budget(memory(100))
    assert (budget.most, budget.full, budget.limited_by) == (25_714, 20_000, "limits.max_memory_mb = 100")
    used = Load(budget.full, budget.most - budget.full, 15.0).memory_bytes
    assert 100e6 - LIGHT.memory_bytes < used <= 100e6


def test_all_sources_and_partitions_share_the_memory():
    assert series_budget(memory(100, "prometheus: [{url: 'http://p'}]")).full == 10_000
    kafka = "kafka: {bootstrap: 'k:9092', partitions: 8}\nstore: {url: 'postgresql://u@h/d'}"
    assert series_budget(memory(100, kafka)).full == 2_500


def test_memory_without_room_for_one_series_is_refused_before_the_start(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"limits.max_memory_mb: is 0.001, .* raise it, or set 0") as refused:
        app.build(memory(0.001), base=tmp_path)
    assert refused.value.key == "limits.max_memory_mb"


def test_the_budget_of_memory_is_that_of_every_source_and_its_detectors(tmp_path: Path):
    one = memory(100, "prometheus: [{url: 'http://p'}]")
    store = open_store("s.sqlite", base=tmp_path)
    try:
        shards = build_inputs(one, store, Health(), tmp_path, lambda: 1.7e9).shards
    finally:
        store.close()
    assert [s.source.table.limit for s in shards] == [12_857, 12_857]
    assert {s.source.table.limited_by for s in shards} == {"limits.max_memory_mb = 100"}
    assert {s.rules.max_full_series for s in shards} == {10_000}


def pulled(limit: float, packs: str = "[go, node]") -> config.Settings:
    return settings(PULLED.replace("PACKS", packs) + f"limits: {{max_queries_per_minute: {limit}}}")


def needed(*names: str) -> float:
    """Queries a minute of these packs and of the edge rules of all packs."""
    return 2 * sum(len(PACKS[name].recipes) for name in names) + sum(len(pack.edges) for pack in PACKS.values())


def test_named_packs_that_ask_too_often_are_refused_with_what_to_change():
    exactly = pulled(needed("go", "node"))
    assert recipe_budget(exactly.prometheus[0], exactly, PACKS) == len(PACKS["go"].recipes) + len(PACKS["node"].recipes)
    short = pulled(needed("go", "node") - 1)
    with pytest.raises(ConfigError) as refused:
        preview(short, PACKS)
    told = str(refused.value)
    assert f"limits.max_queries_per_minute: is {needed('go', 'node') - 1:g}, but p:9090 would be asked" in told
    assert f"{needed('go', 'node'):g} times a minute" in told
    assert "raise it, prometheus.step_s or graph.refresh_s, or name fewer prometheus.packs" in told


def test_no_limit_of_queries_is_no_limit():
    none = pulled(0, "auto")
    assert recipe_budget(none.prometheus[0], none, PACKS) is None


def test_the_start_refuses_what_the_check_refuses(tmp_path: Path):
    with pytest.raises(ConfigError, match="max_queries_per_minute"):
        app.build(pulled(3), base=tmp_path)


def test_packs_that_do_not_fit_are_left_out_as_a_whole():
    recipes = PACKS["go"].recipes + PACKS["node"].recipes
    most = len(recipes) - 1
    assert fitting(recipes, most) == (PACKS["go"].recipes, ("node",))
    assert fitting(recipes, most + 1) == (recipes, ())
    assert fitting(recipes, None) == (recipes, ())


@pytest.fixture
def fake():
    fake = FakePrometheus()
    for name in ("go", "process"):
        for recipe in PACKS[name].recipes:
            fake.series[recipe.of.metric] = [({"__name__": recipe.of.metric, "job": "shop"}, lambda _: "1")]
            fake.series[query(recipe, 120)] = [({"aiops_service": "shop"}, lambda _: "1")]
    stop = serve(fake)
    yield fake
    stop()


def found(url: str, most: int | None) -> tuple[Health, object]:
    """What a source with room for so many recipes finds, and what it says of it."""
    one = settings(f"prometheus: [{{url: '{url}', history_days: 0, step_s: 30}}]").prometheus[0]
    health, client = Health(), app.prometheus_client(one, Path())
    source = pull_source(one, SeriesTable(), PACKS, client=client, health=health, wall=lambda: 1.7e9, most_recipes=most)

    async def look() -> object:
        try:
            return await source._find()
        finally:
            await client.aclose()

    return health, asyncio.run(look())


def test_a_server_whose_packs_ask_too_often_is_watched_by_those_that_fit_and_health_says_so(fake: FakePrometheus):
    every, _ = found(fake.url, None)
    assert every.warnings() == []
    health, _ = found(fake.url, max(len(PACKS[name].recipes) for name in ("go", "process")))
    assert "limits.max_queries_per_minute leaves out the packs" in health.warnings()[0]
    with pytest.raises(Unavailable, match="no room for any pack"):
        found(fake.url, 0)


def test_the_preview_tells_the_limit_that_counts_and_the_queries():
    lines = preview(pulled(needed("go", "node")), PACKS)
    assert lines[0].endswith("(limits.max_series = 100000)")
    want = needed("go", "node")
    assert lines[1] == f"at most: p:9090 {want:g} queries a minute (limits.max_queries_per_minute = {want:g})"


def test_the_preview_of_a_cluster_speaks_of_each_partition():
    (line,) = preview(settings("kafka: {bootstrap: 'k:9092', partitions: 8}"), PACKS)
    assert line.startswith("at most: push in each of 8 partitions 100,000 series")


def test_run_logs_the_preview_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "aiops.yaml"
    path.write_text("limits: {max_memory_mb: 100}\n")
    monkeypatch.setattr(service, "setup_logging", lambda _: None)
    caplog.set_level(logging.INFO)
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap: is needed"):
        service.run_service(path, ["triage"])
    assert "budget at most: push 25,714 series, 20,000 of them in the full bank" in caplog.text
