"""Settings become objects, or a clear error and nothing left open."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from aiops import app, config
from aiops.backend import ServiceBackend, score_rows
from aiops.building.notifiers import pagers
from aiops.building.slack import build_desk
from aiops.errors import ConfigError, InputError, StoreError
from aiops.model import Event
from aiops.notifiers.checks import MemoryReceipts, example
from aiops.notifiers.console import ConsoleNotifier
from aiops.notifiers.only import Rule
from aiops.notifiers.webhook import WebhookNotifier
from aiops.silence import Matcher, Silence
from tests._verdict_world import book_over
from tests.runners._world import Wall, eventually
from tests.sources._fake_prometheus import FakePrometheus, serve


def settings_of(text):
    return config.parse(text, where="test", environment={}, beside=Path("/"))


def built(tmp_path, text="", **more):
    return app.build(settings_of(text), base=tmp_path, wall=Wall(1_700_000_000.0), **more)


def test_without_settings_it_takes_pushes_and_tells_the_console(tmp_path):
    service = built(tmp_path)
    assert [shard.name for shard in service.pipeline.shards] == ["push"]
    assert service.pipeline.triage.settings.receivers == ("console",)
    service.store.close()
    assert (tmp_path / "aiops.sqlite").is_file()


def test_settings_reach_the_parts(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "graph.yaml").write_text("edges: {a: [b]}\n")
    service = built(
        tmp_path,
        "{push: {enabled: false}, prometheus: [{url: 'http://127.0.0.1:1', name: p, step_s: 15}],"
        " triage: {hold_s: 7, max_hops: 3}, detection: {page_budget_per_30d: 2, needed: 1},"
        " notifiers: [{kind: webhook, url: 'http://127.0.0.1:1/x', name: chat}], store: {path: s/a.sqlite}}",
    )
    (shard,) = service.pipeline.shards
    assert (shard.name, shard.source.step_s) == ("p", 15.0)
    assert [line.partition(" (")[0] for line in service.health.reasons()] == ["p: starting"]
    assert (shard.rules.page_budget_per_30d, shard.rules.track.needed) == (2.0, 1)
    triage = service.pipeline.triage.settings
    assert (triage.hold_s, triage.max_hops, triage.receivers) == (7.0, 3, ("chat",))
    service.store.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("push: {packs: [nope]}", "push.packs: there is no pack 'nope'"),
        ("prometheus: [{url: 'http://p', packs: [nope]}]", "prometheus.packs: there is no pack 'nope'"),
        ("graph: {jaeger_url: nowhere}", "jaeger_url"),
    ],
)
def test_a_setting_that_names_nothing_is_refused_and_leaves_the_store_free(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        built(tmp_path, text)
    built(tmp_path).store.close()


def test_two_services_on_one_store_are_refused(tmp_path):
    first = built(tmp_path)
    with pytest.raises(StoreError, match="another process works with this store"):
        built(tmp_path)
    first.store.close()


def test_receivers_are_built_by_their_kind(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    text = "notifiers: [{kind: console}, {kind: webhook, url: 'http://h/x', token_file: token}]"
    settings = config.parse(text, where="test", environment={}, beside=tmp_path)
    around = app.Around(MemoryReceipts(), lambda: 0)
    made = app.build_notifiers(settings, tmp_path, around)
    assert {name: type(one) for name, one in made.items()} == {"console": ConsoleNotifier, "webhook": WebhookNotifier}
    with pytest.raises(ConfigError, match="token: cannot be read"):
        app.build_notifiers(settings, tmp_path / "elsewhere", around)


def test_packs_are_chosen_by_name_or_all():
    packs = app.all_packs(settings_of(""))
    assert list(app.chosen(packs, ["istio"], "x")) == ["istio"]
    assert app.chosen(packs, "auto", "x") == packs


def test_a_server_without_known_metrics_says_so_in_the_health(tmp_path):
    fake = FakePrometheus()
    fake.series["strange_metric"] = [({"__name__": "strange_metric"}, lambda _: "1")]
    stop_server = serve(fake)
    where = f"prometheus: [{{url: '{fake.url}', name: p}}]"
    service = built(tmp_path, f"{{push: {{enabled: false}}, listen: {{port: 0}}, notifiers: [], {where}}}")
    stop, ready = asyncio.Event(), service.runner._health.reasons

    async def run():
        running = asyncio.create_task(service.run(stop))
        await eventually(lambda: any("no signal pack matches" in reason for reason in ready()))
        stop.set()
        await running

    asyncio.run(run())
    stop_server()


def test_a_service_takes_requests_while_it_runs_and_ends_with_its_store_closed(tmp_path):
    service = built(tmp_path, "{listen: {port: 0}, notifiers: []}")
    heard, stop = [], asyncio.Event()

    async def run():
        running = asyncio.create_task(service.run(stop, lambda host, port: heard.append((host, port))))
        await eventually(lambda: heard)
        stop.set()
        await running

    asyncio.run(run())
    assert heard[0][0] == "127.0.0.1"
    with pytest.raises(StoreError, match="closed"):
        service.store.positions()


def test_what_is_pushed_while_push_is_off_is_refused(tmp_path):
    service = built(tmp_path, "push: {enabled: false}")
    backend = ServiceBackend(
        service.store,
        service.pipeline,
        service.runner._telemetry,
        service.runner._health,
        service.runner.wake,
        book=book_over(),
    )

    async def use():
        with pytest.raises(InputError, match=r"push\.enabled"):
            await backend.write(b"", {})
        await backend.events([Event("e", 5, "db", "deploy")])

    asyncio.run(use())
    assert [r.event.id for r in service.store.inbox()] == ["e"]
    assert backend.incidents(None, "", 0, 10) == []
    assert backend.incident("x") is None
    assert backend.ready() == []
    assert b"aiops_build_info" in backend.metrics()
    assert backend.graph().services() == []
    assert score_rows(service.pipeline.shards, 10).rows == []
    service.store.close()


def test_an_alertmanager_is_told_tended_and_asked_for_its_silences(tmp_path):
    (tmp_path / "password").write_text("s3cr3t")
    auth = f"{{username: u, password_file: '{tmp_path}/password'}}"
    text = f"""
    push: {{enabled: false}}
    notifiers:
      - {{kind: alertmanager, urls: ['http://a', 'http://b'], basic_auth: {auth}}}
      - {{kind: alertmanager, name: quiet, urls: ['http://c'], incidents: false, watchdog: false, silences: false}}
      - {{kind: webhook, url: 'http://h', only: {{severity: [critical], service: [cart]}}}}
    """
    service = built(tmp_path, text)
    assert list(service.tended) == ["alertmanager", "quiet"]
    assert list(service.silences) == ["alertmanager"]
    silence = Silence((Matcher("service", "cart"),), 0, 2**60)
    service.silences["alertmanager"].known = (silence,)
    assert service.pipeline._silenced(Event("e", 1, "cart", "alert")).startswith("silenced")
    assert service.pipeline._silenced(Event("e", 1, "db", "alert")) == ""
    made = app.build_notifiers(service.settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))
    assert [type(one).__name__ for one in made.values()] == ["OnlyNotifier"] * 3
    assert made["alertmanager"]._rule.unwanted(example().incident) == ""
    assert made["quiet"]._rule.unwanted(example().incident) == "not for incidents"
    assert made["webhook"]._rule == Rule(("critical",), ("cart",))
    service.store.close()


@pytest.mark.parametrize(
    ("label", "rule"), [("a-b", "'a-b' is no name for a label"), ("severity", "is set for every incident")]
)
def test_a_label_that_alertmanager_would_not_take_is_refused_at_the_start(tmp_path, label, rule):
    text = f"notifiers: [{{kind: alertmanager, urls: ['http://a'], labels: {{{label}: x}}}}]"
    settings = settings_of(text)
    with pytest.raises(ConfigError, match=rule):
        app.build_notifiers(settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))


def test_every_kind_of_receiver_is_built_from_its_settings(tmp_path):
    (tmp_path / "token").write_text("t0k3n")
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "body.j2").write_text('{"text": {{ incident.title | tojson }}}')
    text = """
    notifiers:
      - {kind: grafana, url: 'http://g', token_file: token, tags: [shop]}
      - {kind: jira, url: 'http://j', email: a@b.c, token_file: token, project: OPS, priority: {critical: High}}
      - {kind: jira, name: dc, url: 'http://j', flavour: data center, token_file: token, project: OPS}
      - {kind: github, repository: acme/shop, token_file: token, on_resolve: comment}
      - {kind: pagerduty, routing_key_file: key, only: {severity: [critical]}}
      - {kind: webhook, url: 'http://h', template_file: body.j2, secret_file: token}
    """
    settings = config.parse(text, where="a.yaml", beside=tmp_path)
    made = app.build_notifiers(settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))
    assert {name: type(one).__name__ for name, one in made.items()} == {
        "grafana": "GrafanaNotifier",
        "jira": "TicketNotifier",
        "dc": "TicketNotifier",
        "github": "TicketNotifier",
        "pagerduty": "OnlyNotifier",
        "webhook": "WebhookNotifier",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{kind: jira, url: 'http://j', token_file: token, project: OPS}", "jira.email: needs the email"),
        (
            "{kind: jira, url: 'http://j', token_file: token, project: OPS, email: a, flavour: data center}",
            "is for `flavour: cloud` only",
        ),
        (
            "{kind: jira, url: 'http://j', email: a, token_file: token, project: OPS, labels: [a b]}",
            "labels: must not be empty or have spaces",
        ),
        (
            "{kind: jira, url: 'http://j', email: a, token_file: token, project: OPS, fields: {summary: x}}",
            "fields: summary is set for every issue",
        ),
        ("{kind: pagerduty, routing_key_file: token}", "routing_key_file: must hold 32"),
        ("{kind: webhook, url: 'http://h', template_file: token}", "template_file: fails on a sample incident"),
        ("{kind: grafana, url: 'http://h', token_file: token, ca_file: token}", "ca_file"),
    ],
)
def test_settings_of_a_receiver_that_do_not_fit_together_are_refused_at_the_start(tmp_path, text, said):
    (tmp_path / "token").write_text("{{ t0k3n }}")
    settings = config.parse(f"notifiers: [{text}]", where="a.yaml", beside=tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        app.build_notifiers(settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))
    assert "t0k3n" not in str(caught.value).replace("'t0k3n' is undefined", "")


def test_what_is_only_predicted_opens_tickets_and_pages_nobody(tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef")
    text = """
    notifiers:
      - {kind: github, repository: acme/shop, token_file: token}
      - {kind: github, name: plans, repository: acme/shop, token_file: token, only: {kind: [predicted]}}
      - {kind: pagerduty, routing_key_file: token}
      - {kind: pagerduty, name: forced, routing_key_file: token, only: {kind: [predicted]}}
      - {kind: alertmanager, urls: ['http://a']}
    """
    settings = config.parse(text, where="a.yaml", beside=tmp_path)
    made = app.build_notifiers(settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))
    rules = {name: getattr(one, "_rule", Rule()) for name, one in made.items()}
    observed = example().incident
    told = {
        kind: [name for name, rule in rules.items() if not rule.unwanted(replace(observed, kind=kind))]
        for kind in ("observed", "predicted", "self")
    }
    assert told == {
        "observed": ["github", "pagerduty", "alertmanager"],
        "predicted": ["github", "plans"],
        "self": ["github", "pagerduty", "alertmanager"],
    }


def test_a_receiver_whose_upkeep_fails_is_said_and_does_not_make_the_service_unready(tmp_path):
    service = built(tmp_path, "notifiers: [{kind: alertmanager, urls: ['http://127.0.0.1:1']}]")

    async def run():
        stop = asyncio.Event()
        parts = [asyncio.create_task(part()) for part in service._tending(stop)]
        await eventually(service.health.warnings)
        stop.set()
        await asyncio.gather(*parts)

    asyncio.run(run())
    assert service.health.warnings()[0].startswith("upkeep of alertmanager: 127.0.0.1: no connection")
    assert service.health.reasons() == []
    assert b'aiops_receiver_upkeep_failures_total{receiver="alertmanager"} 0.0' not in service.telemetry.render()
    service.store.close()


def test_an_acknowledgement_reaches_everybody_who_pages(tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef")
    text = """
    notifiers:
      - {kind: pagerduty, routing_key_file: token, url: 'http://127.0.0.1:1'}
      - {kind: pagerduty, name: second, routing_key_file: token, url: 'http://127.0.0.1:1'}
      - {kind: console}
    """
    settings = config.parse(text, where="a.yaml", beside=tmp_path)
    made = app.build_notifiers(settings, tmp_path, app.Around(MemoryReceipts(), lambda: 0))
    assert list(pagers(made)) == ["pagerduty", "second"]
    heard = []

    class Pager:
        async def acknowledge(self, incident, who):
            heard.append((incident.id, who))

    desk = build_desk(None, {}, {}, dict.fromkeys(pagers(made), Pager()))
    asyncio.run(desk.acknowledge(example().incident, "ann"))
    assert heard == [("0123456789ab", "ann")] * 2
    assert build_desk(None, {}, {}, {}).acknowledge is None
