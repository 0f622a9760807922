"""The compose files fit together: services, ports, files, settings and commands are those that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from aiops import config
from aiops.building.kafka import check_kafka
from aiops.cli import app as cli
from aiops.web._base import WebSettings
from aiops.web.app import build_app
from aiops.workers import ROLES
from tests.deploy.test_deploy_files import accepted_by
from tests.web.conftest import FakeBackend

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose"
FILE = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = FILE["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
VARIABLE = re.compile(r"\$\{(\w+)(?:(:?[-?])([^}]*))?\}")

# Of the Compose Specification: what is used here, so that a misspelt key is noticed.
TOP = {"name", "services", "volumes"}
KEYS = {
    *("image", "build", "command", "environment", "volumes", "ports", "restart", "depends_on", "healthcheck"),
    *("stop_grace_period", "hostname", "deploy"),
}
HEALTH = {"test", "interval", "timeout", "retries", "start_period", "disable"}
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
PORTS = {"kafka": 9092, "postgres": 5432, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def example() -> dict[str, str]:
    lines = (COMPOSE / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(text: str) -> str:
    """As Compose fills in variables."""
    given = example()
    return VARIABLE.sub(lambda m: given.get(m[1], m[3] if (m[2] or "").endswith("-") else ""), text)


def settings() -> config.Settings:
    environment = {name: filled(value) for name, value in OURS["gateway"]["environment"].items()}
    return config.load(COMPOSE / "aiops.yaml", environment)


def test_only_keys_of_the_specification_are_used():
    assert {key for key in FILE if not key.startswith("x-")} == TOP
    for name, one in SERVICES.items():
        assert set(one) <= KEYS, name
        health = one["healthcheck"]
        assert set(health) <= HEALTH, name
        for key in ("interval", "timeout", "start_period"):
            assert DURATION.fullmatch(health.get(key, "1s")), name
        assert health.get("disable") or health["test"][0] == "CMD", name
        assert one["restart"] in {"no", "unless-stopped"}, name


def test_images_are_pinned_to_a_version():
    for name, one in SERVICES.items():
        image, _, tag = one["image"].partition(":")
        assert re.match(r"v?\d+\.\d+", tag), f"{name}: {image}:{tag}"
    stages = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+", stage) for stage in stages)


def test_what_a_service_waits_for_can_come():
    for name, one in SERVICES.items():
        for other, how in one.get("depends_on", {}).items():
            assert other in SERVICES, name
            runs_once = SERVICES[other]["restart"] == "no"
            assert how["condition"] == ("service_completed_successfully" if runs_once else "service_healthy")
            assert runs_once or not SERVICES[other]["healthcheck"].get("disable")


def test_files_that_are_mounted_exist_and_volumes_are_declared_and_used():
    named = set()
    for one in SERVICES.values():
        for mount in one.get("volumes", ()):
            source, target, *mode = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (COMPOSE / source).exists(), mount
                assert mode == ["ro"], mount
            else:
                named.add(source)
    assert named == set(FILE["volumes"])


def test_every_variable_has_a_default_or_an_example_and_every_example_is_used():
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    used = {name: (how or "").lstrip(":") for name, how, _ in VARIABLE.findall(text)}
    assert set(example()) == set(used)
    assert {name for name, how in used.items() if how != "-"} == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
    for name, how, default in VARIABLE.findall(text):
        assert "-" not in how or example()[name] == default, "an example is what holds without it"


def test_ports_of_this_machine_are_those_the_service_listens_on():
    for name, one in SERVICES.items():
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name}: nobody is asked for a token there"
            inside = int(filled(port).rsplit(":", 1)[1])
            assert inside == PORTS.get(name, settings().listen.port), name


def test_the_settings_are_valid_and_name_services_of_the_file():
    given = settings()
    check_kafka(given)
    store = urlsplit(given.store.url)
    assert (store.hostname, store.username, store.path) == ("postgres", "aiops", "/aiops")
    database = SERVICES["postgres"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("aiops", "aiops")
    assert database["POSTGRES_PASSWORD"] == OURS["gateway"]["environment"]["PGPASSWORD"]
    assert given.kafka.bootstrap == "kafka:9092"
    assert given.kafka.bootstrap in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    (receiver,) = [one for one in given.notifiers if isinstance(one, config.AlertmanagerReceiver)]
    assert receiver.urls == [f"http://alertmanager:{PORTS['alertmanager']}"]
    assert given.listen.host != "127.0.0.1", "reached from other containers"
    assert int(example()["DETECT_WORKERS"]) <= given.kafka.partitions


def parsed(arguments: list[str]) -> dict[str, object]:
    """The options of a command line of ours; it is parsed and not run."""
    group = typer.main.get_command(cli)
    name, *rest = arguments
    return group.commands[name].make_context(name, list(rest)).params  # type: ignore[attr-defined]


def test_commands_exist_and_together_have_every_role():
    roles = []
    for name, one in OURS.items():
        given = parsed([filled(word) for word in one["command"]])
        if name == "migrate":
            assert given["store"] == settings().store.url
            continue
        assert str(given["config"]) == "/etc/aiops/aiops.yaml"
        assert "./aiops.yaml:/etc/aiops/aiops.yaml:ro" in one["volumes"]
        roles += [role.value for role in given["role"]]  # type: ignore[attr-defined]
        assert roles[-1] == name
    assert sorted(roles) == sorted(ROLES)


def test_what_is_called_over_http_is_a_route_of_the_service():
    routes = {route.path for route in build_app(FakeBackend(), WebSettings()).routes}  # type: ignore[arg-type, attr-defined]
    prometheus = yaml.safe_load((COMPOSE / "prometheus.yml").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((COMPOSE / "alertmanager.yml").read_text(encoding="utf-8"))
    hooks = [hook["url"] for one in alerts["receivers"] for hook in one.get("webhook_configs", ())]
    for url in [prometheus["remote_write"][0]["url"], *hooks]:
        asked = urlsplit(url)
        assert (asked.hostname, asked.port) == ("gateway", settings().listen.port)
        assert asked.path in routes
    (scraped,) = [job for job in prometheus["scrape_configs"] if job["job_name"] == "aiops"]
    (found,) = scraped["dns_sd_configs"]
    assert set(found["names"]) == set(OURS) - {"migrate"}
    assert found["port"] == settings().listen.port
    probes = {word for one in OURS.values() for word in one["healthcheck"].get("test", ()) if "http" in word}
    assert {urlsplit(re.search(r"http://[^']+", word)[0]).path for word in probes} <= routes  # type: ignore[index]


@pytest.mark.service
def test_prometheus_and_alertmanager_accept_their_files(tmp_path):
    (tmp_path / "rules.yml").write_bytes((DEPLOY / "rules.yml").read_bytes())
    (tmp_path / "prometheus.yml").write_bytes((COMPOSE / "prometheus.yml").read_bytes())
    accepted_by("promtool", "check", "config", tmp_path / "prometheus.yml")
    accepted_by("amtool", "check-config", COMPOSE / "alertmanager.yml")


def test_the_image_is_built_of_files_that_exist_and_runs_as_nobody_in_particular():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    build, run = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    sources = [shlex.split(line)[1:-1] for line in re.findall(r"^COPY (?!--from).*", build, re.MULTILINE)]
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    for source in (one for line in sources for one in line):
        assert (DEPLOY.parent / source).exists()
        assert f"!{source}" in let_in
    assert re.search(r"^USER aiops$", run, re.MULTILINE)
    assert run.rindex("USER") > run.rindex("COPY"), "nothing is put there as root after it"
    assert "constraint tests/requirements.lock" in build
    (command,) = re.findall(r"^CMD (.*)$", run, re.MULTILINE)
    assert not parsed(yaml.safe_load(command))["role"]
