from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from aiops import config, reference
from aiops.app import detection_rules, maintenance_windows
from aiops.detection.maintenance import Window
from aiops.errors import ConfigError

ROOT = Path(__file__).parent.parent


def parse(text, **environment):
    return config.parse(text, where="aiops.yaml", environment=environment)


def test_an_empty_file_gives_the_defaults():
    assert parse("") == config.Settings()


def test_a_full_file_is_understood(tmp_path):
    (tmp_path / "graph.yaml").write_text("edges: {}")
    text = """
    prometheus:
      - url: http://127.0.0.1:9090
        step_s: 15
        headers: {X-Team: shop}
    graph: {file: graph.yaml}
    notifiers:
      - {kind: console}
      - {kind: webhook, name: tickets, url: "http://127.0.0.1:1/x"}
    """
    path = tmp_path / "aiops.yaml"
    path.write_text(text)
    settings = config.load(path)
    assert settings.prometheus[0].step_s == 15.0
    assert [n.name for n in settings.notifiers] == ["console", "tickets"]


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("detection: {page_bugdet: 1}", "detection", "unknown field `page_bugdet`"),
        ("detection: {page_budget_per_30d: -1}", "detection.page_budget_per_30d", "> 0"),
        ("detection: {needed: 6, of: 5}", "detection.needed", "must be <= detection.of = 5"),
        ("listen: {port: http}", "listen.port", "Expected `int`"),
        ("prometheus: [{}]", "prometheus[", "missing required field `url`"),
        ("prometheus: [{url: localhost:9090}]", "prometheus[", "matching regex"),
        ("notifiers: [{kind: pigeon}]", "notifiers", "pigeon"),
        (
            "maintenance: [{start: 2026-11-22T10:00:00Z, end: 2026-11-22T10:00:00Z, all: true}]",
            "maintenance[0].end",
            "must be after start = 2026-11-22T10:00:00+00:00",
        ),
        ("maintenance: [{start: 2026-11-22T10:00:00, end: 2026-11-23T10:00:00Z}]", "maintenance[0].start", "timezone"),
        ("maintenance: [{start: soon, end: 2026-11-23T10:00:00Z}]", "maintenance[0].start", "RFC3339"),
        (
            "maintenance: [{start: 2026-11-22T10:00:00Z, end: 2026-11-23T10:00:00Z}]",
            "maintenance[0]",
            "must have either `services` or `all: true`",
        ),
        (
            "maintenance: [{start: 2026-11-22T10:00:00Z, end: 2026-11-23T10:00:00Z, all: true, services: [cart]}]",
            "maintenance[0]",
            "must have either `services` or `all: true`",
        ),
        (
            "maintenance: [{start: 2026-11-22T10:00:00Z, end: 2026-11-23T10:00:00Z, services: ['']}]",
            "maintenance[0].services",
            "must not have empty names",
        ),
        ("graph: {file: missing.yaml}", "graph.file", "names a file that is missing: missing.yaml"),
        ("listen: {token_file: nowhere}", "listen.token_file", "names a file that is missing: nowhere"),
        ("prometheus: [{url: 'http://a'}, {url: 'http://a'}]", "prometheus", "two of them have the name 'a'"),
        ("notifiers: [{kind: console}, {kind: console}]", "notifiers", "two of them have the name 'console'"),
        ("store: {path: '${HOME_OF_STATE}'}", "store.path", "environment variable HOME_OF_STATE is not set"),
        ("push: {step_s: 1.00001}", "push.step_s", "must be a whole number of milliseconds, got 1.00001"),
        ("prometheus: [{url: 'http://a', step_s: 1.00001}]", "prometheus[0].step_s", "whole number of milliseconds"),
        ("push: {window_s: .inf}", "push.window_s", "must be a finite number, got inf"),
        ("prometheus: [{url: 'http://a', timeout_s: .nan}]", "prometheus[0].timeout_s", "must be a finite number"),
        ("a: [", "", "is not valid YAML"),
        ("- 1", "top level", "Expected `object`"),
    ],
)
def test_an_error_names_file_key_and_rule(text, key, rule):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith("aiops.yaml: ")
    assert key in caught.value.key
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("detection: {page_budget: 1}", "`page_budget`; did you mean `page_budget_per_30d`?"),
        ("store: {xyz: 1}", "`xyz`; known are `keep_days`, `path`, `url`"),
        ("notifiers: [{kind: slak}]", "'slak'; did you mean `slack`?"),
        (
            "notifiers: [{kind: fax}]",
            "'fax'; known are `alertmanager`, `console`, `github`, `grafana`, `jira`, `pagerduty`, `slack`, `webhook`",
        ),
        ("notifiers: [{kind: console, adress: x}]", "`adress`; known are `name`"),
        ("notifiers: [{kind: slack, token_file: x, routes: [{chanel: x}]}]", "`chanel`; did you mean `channel`?"),
        ("notifiers: [{kind: webhook, url: 'http://a', only: {kinds: [x]}}]", "`kinds`; did you mean `kind`?"),
        ("notifiers: [{kind: webhook, url: 'http://a', headers: {a: 1}}]", "Expected `str`, got `int`"),
        ("prometheus: [{url: 'http://a', basic_auth: {user: x}}]", "`user`; did you mean `username`?"),
        ("log_level: warn", "'warn'; did you mean `warning`?"),
        ("push: {packs: all}", "'all'; known are `[...]`, `auto`"),
        ("prometheus: {url: 'http://a'}", "wanted is a list: write `- ` before each entry"),
        ("listen:", "leave the key out or give it a value"),
    ],
)
def test_an_error_says_what_would_have_been_right(text, ends):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).endswith(ends)


def test_basic_auth_and_bearer_token_exclude_each_other(tmp_path):
    (tmp_path / "secret").write_text("x")
    text = (
        "prometheus: [{url: 'http://a', bearer_token_file: secret, basic_auth: {username: u, password_file: secret}}]"
    )
    with pytest.raises(ConfigError, match="exclude each other"):
        config.parse(text, where="a.yaml", beside=tmp_path)
    receiver = "kind: alertmanager, urls: ['http://a'], basic_auth: {username: u, password_file: secret}"
    with pytest.raises(ConfigError, match=r"notifiers\[0\]: basic_auth and token_file exclude each other"):
        config.parse(f"notifiers: [{{{receiver}, token_file: secret}}]", where="a.yaml", beside=tmp_path)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml: is not there; `aiops init"):
        config.load(tmp_path / "missing.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes\.yaml: cannot be read"):
        config.load(tmp_path / "bytes.yaml")


def test_environment_variables_are_filled_in():
    assert parse("store: {path: '${PLACE}/a.sqlite'}", PLACE="/var").store.path == "/var/a.sqlite"


def test_sources_are_named_by_host_and_port_unless_named():
    settings = parse("prometheus: [{url: 'http://a:9090/'}, {url: 'https://b', name: main}]")
    assert [config.source_name(p) for p in settings.prometheus] == ["a:9090", "main"]


def test_every_setting_is_on_the_page_of_settings_and_the_page_is_current():
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == reference.settings_page(), "run `make docs`"
    for field in msgspec.structs.fields(config.Settings):
        assert f"`{field.name}`" in page.partition("## ")[0]
    for _, kind in reference.SECTIONS:
        for field in msgspec.structs.fields(kind):
            assert f"| `{field.name}` |" in page
    assert "|  |\n" not in page, "a setting without a meaning"
    assert structs_in(config.Settings) <= {kind for _, kind in reference.SECTIONS} | {config.Settings}


def test_the_page_of_metrics_is_current_and_says_what_each_means():
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == reference.metrics_page(), "run `make docs`"
    assert "|  |\n" not in page


def structs_in(hint: Any) -> set[type[msgspec.Struct]]:
    """All settings that are reached from these."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return {hint}.union(*(structs_in(one) for one in get_type_hints(hint).values()))
    return set[type[msgspec.Struct]]().union(*(structs_in(one) for one in get_args(hint)))


def test_maintenance_may_be_written_with_any_offset_and_with_or_without_quotes():
    text = "maintenance: [{start: 2026-11-22T10:00:00+02:00, end: '2026-11-22T10:00:00Z', all: true, reason: disks}]"
    window, second = maintenance_windows(
        parse(text[:-1] + ", {start: 2026-11-22T10:00:00Z, end: 2026-11-22T11:00:00Z, services: [cart]}]")
    )
    assert window == Window(1_795_334_400_000, 1_795_341_600_000, "disks")
    assert second.services == ("cart",)


def test_what_keeps_detection_clean_reaches_it():
    text = (
        "detection: {watch_change_s: 60, settle_s: 5}\n"
        "maintenance: [{start: 2026-11-22T10:00:00Z, end: 2026-11-22T11:00:00Z, services: [cart]}]"
    )
    rules = detection_rules(parse(text))
    assert (rules.watch_change_s, rules.settle_s) == (60.0, 5.0)
    assert [w.services for w in rules.maintenance] == [("cart",)]
