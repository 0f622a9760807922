from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from aiops import config
from aiops.discovery import Plan, config_text, discover, plan_text
from aiops.errors import Refused, SourceError, Unavailable
from aiops.packs import Pack
from aiops.packs.load import built_in, load_pack, parse_recipes
from aiops.packs.promql import count_query, edges_query

PACK = """
pack: {name}
title: The {name} pack
service: [job]
detect: [{name}_total]
recipes:
  - {{signal: requests_rate, form: rate, of: {name}_total}}
  - {{signal: error_ratio, form: ratio, of: {name}_errors_total, to: {name}_total}}
  - {{signal: cpu_cores, form: rate, of: {name}_cpu_total}}
edges:
  - {{of: {name}_total, caller: [job], callee: [server]}}
"""


@dataclass(frozen=True)
class Found:
    labels: tuple[tuple[str, str], ...]
    value: float = 1.0


class Told:
    """A server with the given metrics that answers by query text."""

    def __init__(self, names: list[str], answers: dict[str, object]) -> None:
        self.names, self.answers = names, answers
        self.asked: list[str] = []

    async def metric_names(self) -> list[str]:
        return self.names

    async def instant(self, query: str) -> list[Found]:
        self.asked.append(query)
        answer = self.answers.get(query, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


def counts(**services: float) -> list[Found]:
    return [Found((("aiops_service", name),), value) for name, value in services.items()]


@pytest.fixture
def packs(tmp_path: Path) -> dict[str, Pack]:
    found = {}
    for name in ("app", "mesh", "absent"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(PACK.format(name=name))
        found[name] = load_pack(path)
    return found


NAMES = ["app_total", "app_cpu_total", "mesh_total", "mesh_errors_total", "up"]


def answers(packs: dict[str, Pack]) -> dict[str, object]:
    app, mesh = packs["app"], packs["mesh"]
    return {
        count_query(app.recipes[0], 120): counts(shop=1, cart=1),
        count_query(app.recipes[1], 120): counts(shop=1, cart=1),
        count_query(app.recipes[2], 120): [*counts(shop=2, cart=3), Found((), 7)],
        count_query(mesh.recipes[0], 120): counts(cart=1, db=1),
        count_query(mesh.recipes[1], 120): counts(cart=1),
        edges_query(mesh.edges[0], 120): [Found(()), Found(())],
    }


def looked(client: Told, packs: dict[str, Pack], **options: float) -> Plan:
    return asyncio.run(discover(client, packs, **options))


def test_each_series_is_counted_once_where_it_comes_from_first(packs):
    plan = looked(Told(NAMES, answers(packs)), packs)
    assert [one.pack.name for one in plan.packs] == ["app", "mesh"]
    app, mesh = plan.packs
    assert [(s.recipe.signal.name, s.series) for s in app.signals] == [
        ("requests_rate", 2),
        ("error_ratio", 2),
        ("cpu_cores", 5),
    ]
    assert [(s.recipe.signal.name, s.services, s.series) for s in mesh.signals] == [("requests_rate", ("db",), 1)]
    assert (app.series, mesh.series, mesh.edges) == (9, 1, 2)
    assert plan.services == ("cart", "db", "shop")
    assert plan.paging_services == ("cart", "db", "shop")
    assert (plan.metrics, plan.problems) == (5, ())


def test_the_cost_is_worked_out_from_series_and_queries(packs):
    plan = looked(Told(NAMES, answers(packs)), packs, step_s=30.0, bytes_per_series=1000.0)
    assert plan.memory_bytes == 10_000.0
    # three recipes of app and two of mesh every 30 s, two edge rules every minute
    assert plan.queries_per_minute == 5 * 2 + 2


def test_the_window_follows_the_step_unless_it_is_given(packs):
    for options, window_s in (({}, 120.0), ({"step_s": 10.0}, 60.0), ({"window_s": 90.0}, 90.0)):
        client = Told(["app_cpu_total", "app_total"], {})
        looked(client, packs, **options)
        assert count_query(packs["app"].recipes[2], window_s) in client.asked


def test_a_query_the_server_cannot_answer_is_told_and_the_rest_goes_on(packs):
    told = answers(packs)
    told[count_query(packs["app"].recipes[2], 120)] = Refused("too many samples")
    told[edges_query(packs["mesh"].edges[0], 120)] = Unavailable("timeout")
    plan = looked(Told(NAMES, told), packs)
    assert plan.series == 5
    assert plan.problems == (
        "app: cpu_cores could not be counted: too many samples",
        "mesh: edges of mesh_total could not be counted: timeout",
    )
    assert "! app: cpu_cores could not be counted: too many samples" in plan_text(plan)


def test_a_server_that_answers_nothing_is_an_error(packs):
    class Dead(Told):
        async def instant(self, query: str) -> list[Found]:
            self.asked.append(query)
            raise Unavailable("down")

    with pytest.raises(SourceError, match="down"):
        looked(Dead(NAMES, {}), packs)


def test_progress_counts_every_query_to_the_end(packs):
    seen = []
    asyncio.run(discover(Told(NAMES, {}), packs, progress=lambda done, of: seen.append((done, of))))
    assert seen == [(n, 7) for n in range(1, 8)]


def test_no_more_than_four_queries_are_under_way_at_once(packs):
    class Counting(Told):
        now = most = 0

        async def instant(self, query: str) -> list[Found]:
            self.asked.append(query)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return []

    metrics = {s.metric for pack in built_in().values() for r in pack.recipes for s in (r.of, r.to) if s}
    client = Counting(sorted(metrics), {})
    looked(client, built_in())
    assert client.most == 4


def test_the_plan_says_what_is_watched_and_what_it_costs(packs):
    text = plan_text(looked(Told(NAMES, answers(packs)), packs, bytes_per_series=2**20))
    assert text == (
        "5 metrics on this server; 2 signal packs found.\n\n"
        "app: The app pack\n  2 services, 9 series\n"
        "  requests_rate* 2, error_ratio* 2, cpu_cores 5\n  of cart, shop\n"
        "mesh: The mesh pack\n  1 service, 1 series, 2 calls between services\n  requests_rate* 1\n  of db\n\n"
        "In all 10 series of 3 services: about 10 MiB of memory for them,\n"
        "less than 0.01% of a core, and 12 queries a minute on the server (one value every 30 s).\n"
        "Only signals marked * open incidents, the rest is evidence: 3 services with such a signal.\n"
        "Calls between services are known from metrics: 2.\n"
    )


def test_many_services_are_cut_short(packs):
    many = counts(**{f"s{n:02}": 1 for n in range(40)})
    plan = looked(Told(["app_total"], {count_query(packs["app"].recipes[0], 120): many}), packs)
    assert "s10, s11 and 28 more\n" in plan_text(plan)
    assert "No metric tells who calls whom" in plan_text(plan)


def test_a_server_without_anything_users_feel_is_told_so(packs):
    plan = looked(Told(["app_total", "app_cpu_total"], {count_query(packs["app"].recipes[2], 120): counts(a=1)}), packs)
    assert plan.paging_services == ()
    assert "0 services with such a signal.\nSo nothing can open an incident yet: " in plan_text(plan)
    assert "So nothing" not in plan_text(looked(Told(NAMES, answers(packs)), packs))


def test_where_nothing_matches_the_plan_says_what_to_do(packs):
    plan = looked(Told(["up"], {}), packs)
    assert plan.series == 0
    assert "1 metric on this server, but no signal pack knows any of them.\n" in plan_text(plan)
    assert "docs/signal_packs.md" in plan_text(plan)
    assert config.parse(config_text(plan, "http://localhost:9090"), where="new").prometheus[0].packs == "auto"


def test_the_written_configuration_is_one_the_service_takes(packs):
    plan = looked(Told(NAMES, answers(packs)), packs, step_s=15.0, window_s=120.0)
    text = config_text(plan, "https://prom.example.org/a?b=%22#c")
    settings = config.parse(text, where="new.yaml", environment={})
    (prometheus,) = settings.prometheus
    assert (prometheus.url, prometheus.step_s) == ("https://prom.example.org/a?b=%22#c", 15.0)
    assert settings.limits.max_series == 100_000
    assert "    #   app: 2 services, 9 series\n" in text
    assert "packs: [app, mesh]" in text
    assert "The metrics tell 2 calls" in text


def test_the_limit_grows_with_what_was_found(packs):
    plan = looked(Told(["app_total"], {count_query(packs["app"].recipes[0], 120): counts(a=80_000)}), packs)
    assert config.parse(config_text(plan, "http://p"), where="new").limits.max_series == 160_000


def test_every_commented_example_is_right_too():
    text = config_text(Plan((), 0, 30.0, 1.0), "http://p")
    plain = text.replace("# graph.yaml", "").replace("  # file: graph.yaml", "").replace("packs: [prometheus_http]", "")
    opened = []
    for line in plain.splitlines():
        body = line.lstrip()
        is_example = body.startswith("# ") and (
            body[2:].startswith(("headers:", "tenant:", "jaeger_url:", "- kind:", "  name:", "  url:", "signals:"))
            or line.startswith("#   ")
        )
        opened.append(line.replace("# ", "", 1) if is_example else line)
    settings = config.parse("\n".join(opened), where="opened", environment={})
    assert settings.prometheus[0].tenant == "my-team"
    assert settings.graph.jaeger_url == "http://jaeger-query:16686"
    assert [one.name for one in settings.notifiers] == ["console", "chat"]
    (recipe,) = parse_recipes(settings.signals, "opened")
    assert recipe.signal.name == "orders_rate"
    assert yaml.safe_load("\n".join(opened))["prometheus"][0]["headers"] == {"X-Custom": "value"}
