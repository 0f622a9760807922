"""Settings: one YAML file, checked against the structures below, each setting with its default, unit and meaning.

`${NAME}` in a value is replaced by the environment variable NAME. Unknown keys are errors, and each error names file,
key and rule.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct, field

from aiops.config.hints import hint
from aiops.config.kafka import KafkaSettings
from aiops.config.receivers import (
    AlertmanagerReceiver,
    ConsoleReceiver,
    Receiver,
    receiver_files,
)
from aiops.config.sources import PrometheusSettings, PushSettings, source_name
from aiops.errors import ConfigError


class ListenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP side."""

    host: Annotated[str, Meta(description="address to listen on; 0.0.0.0 = all of this machine")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 = any free port")] = 8080
    public_url: Annotated[
        str, Meta(pattern="^(https?://.+)?$", description="address under which people reach the pages, for links")
    ] = ""
    token_file: Annotated[str, Meta(description="file with a bearer token that API and receivers then ask for")] = ""
    grafana_secret_file: Annotated[str, Meta(description="file with Grafana's webhook HMAC secret")] = ""
    max_score_series: Annotated[int, Meta(ge=0, description="series shown as anomaly_score in /metrics")] = 1_000

    @property
    def is_open(self) -> bool:
        """Whether others than this machine reach it and nobody is asked for a token."""
        return not self.token_file and self.host != "localhost" and not self.host.startswith(("127.", "::1"))


class DetectionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a deviation is an anomaly."""

    page_budget_per_30d: Annotated[float, Meta(gt=0, description="false pages per paging series and 30 days")] = 1.0
    page_budget_total_per_week: Annotated[
        float, Meta(ge=0, description="the same of all paging series together and week; the stricter counts; 0 = none")
    ] = 0.0
    evidence_budget_per_30d: Annotated[float, Meta(gt=0, description="the same for signals that only explain")] = 8.0
    evidence_bank: Annotated[
        Literal["full", "light"],
        Meta(description="what watches signals that only explain; light = 94 bytes of state in place of 504"),
    ] = "full"
    needed: Annotated[int, Meta(ge=1, le=30, description="rows out of band before anything is said")] = 3
    of: Annotated[int, Meta(ge=1, le=30, description="among this many rows")] = 5
    hold_s: Annotated[float, Meta(ge=0, description="seconds back in band before an anomaly ends")] = 300.0
    gone_s: Annotated[float, Meta(gt=0, description="seconds after which an anomaly of a vanished series ends")] = 900.0
    accept_hours: Annotated[float, Meta(gt=0, description="after this long a new level is the normal one")] = 6.0
    watch_change_s: Annotated[float, Meta(ge=0, description="closer watch after a deploy or change; 0 = none")] = 1800.0
    settle_s: Annotated[float, Meta(ge=0, description="a series that appears, or comes back after 1 h, is quiet")] = (
        600.0
    )
    utc_offset_hours: Annotated[float, Meta(ge=-14, le=14, description="local time minus UTC, for daily patterns")] = (
        0.0
    )
    snapshot_s: Annotated[float, Meta(gt=0, description="seconds between detector snapshots")] = 300.0
    second_opinion: Annotated[bool, Meta(description="note what slower models say of an incident; 160 MB")] = True


class TriageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How anomalies and alerts become incidents."""

    group_wait_s: Annotated[float, Meta(ge=0, description="time to gather before an incident is told")] = 30.0
    hold_s: Annotated[float, Meta(ge=0, description="quiet time before an incident is resolved")] = 300.0
    window_s: Annotated[float, Meta(gt=0, description="members start within this time of the incident")] = 900.0
    max_hops: Annotated[int, Meta(ge=0, le=10, description="calls between members on the service graph")] = 2
    rank_timeout_s: Annotated[float, Meta(gt=0, description="wait for a root cause before telling without")] = 10.0
    alert_max_age_hours: Annotated[float, Meta(gt=0, description="an alert nobody repeats ends after this")] = 24.0
    notify_max_age_s: Annotated[float, Meta(gt=0, description="older incidents are recorded, not told")] = 3600.0


class GraphSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service graph comes from, besides the signal packs' edge rules."""

    file: Annotated[str, Meta(description="YAML file with `edges: {caller: [callee, ...]}`")] = ""
    jaeger_url: Annotated[str, Meta(description="Jaeger query address")] = ""
    refresh_s: Annotated[float, Meta(gt=0, description="seconds between refreshes")] = 60.0
    max_age_s: Annotated[float, Meta(gt=0, description="an edge not seen for this long is forgotten")] = 3600.0


class MaintenanceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in which services are worked on: nothing is learnt of them, no anomaly begins, their alerts are muted."""

    start: Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset, such as 2026-11-22T22:00:00Z")]
    end: Annotated[datetime, Meta(tz=True, description="the same; after `start`")]
    services: Annotated[list[str], Meta(description="their names; not together with `all`")] = field(
        default_factory=list
    )
    all: Annotated[bool, Meta(description="all services")] = False
    reason: Annotated[str, Meta(description="for people; shown with what was muted")] = ""


class VerdictSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long what people say of incidents holds, and who may say it."""

    noise_days: Annotated[float, Meta(gt=0, le=365, description="how long Noise keeps what spoke silent")] = 30.0
    expected_days: Annotated[float, Meta(gt=0, le=365, description="the same for Expected")] = 90.0
    real_days: Annotated[float, Meta(gt=0, le=365, description="how long Real protects what spoke")] = 180.0
    people: Annotated[list[str], Meta(description="names that may give verdicts; empty = anybody with access")] = field(
        default_factory=list
    )


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where state is kept."""

    path: Annotated[str, Meta(description="SQLite file, of one service")] = "aiops.sqlite"
    url: Annotated[
        str,
        Meta(description="postgresql://user:${PASSWORD}@host/name in place of `path`", pattern="^(postgresql://.*)?$"),
    ] = ""
    keep_days: Annotated[float, Meta(gt=0, description="how long resolved incidents are kept")] = 90.0

    @property
    def place(self) -> str:
        """The address if there is one, else the path."""
        return self.url or self.path


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hard budgets. What exceeds them is refused, counted and said."""

    max_series: Annotated[int, Meta(ge=1, description="watched series per source")] = 100_000
    max_full_series: Annotated[
        int, Meta(ge=0, description="of them, in the full bank; those after it are in the light one")
    ] = 100_000
    max_memory_mb: Annotated[
        float,
        Meta(ge=0, description="10^6 bytes for what is watched, all sources; full, then light, then refused; 0 = none"),
    ] = 0.0
    evict_after_days: Annotated[float, Meta(ge=1, description="series without a value for so long are let go")] = 7.0
    max_queries_per_minute: Annotated[
        float, Meta(ge=0, description="asked of each Prometheus once history is read; 0 = no limit")
    ] = 0.0


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration."""

    prometheus: list[PrometheusSettings] = field(default_factory=list)
    push: PushSettings = PushSettings()
    listen: ListenSettings = ListenSettings()
    detection: DetectionSettings = DetectionSettings()
    triage: TriageSettings = TriageSettings()
    graph: GraphSettings = GraphSettings()
    notifiers: list[Receiver] = field(default_factory=lambda: [ConsoleReceiver()])
    maintenance: list[MaintenanceSettings] = field(default_factory=list)
    verdicts: VerdictSettings = VerdictSettings()
    store: StoreSettings = StoreSettings()
    kafka: KafkaSettings = KafkaSettings()
    limits: Limits = Limits()
    signals: Annotated[list[dict[str, Any]], Meta(description="own recipes, in the format of a signal pack")] = field(
        default_factory=list
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a configuration file.

    Raises
    ------
    ConfigError : the file is missing, no YAML, has an unknown key, a wrong type or value, names a file that is missing
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(str(path), "", "is not there; `aiops init --prometheus URL` writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read: {error}") from error
    return parse(text, where=str(path), environment=environment, beside=path.parent)


def parse(text: str, *, where: str, environment: Mapping[str, str] = os.environ, beside: Path = Path()) -> Settings:
    """Check configuration text. `beside` is the folder that relative file names start from."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(where, "", f"is not valid YAML: {' '.join(str(error).split())}") from error
    filled = _fill(raw if raw is not None else {}, environment, where, "")
    try:
        settings = msgspec.convert(filled, Settings)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$")
        place = place.strip("`.")
        raise ConfigError(where, place or "top level", rule + hint(Settings, place, rule, filled)) from error
    _check(settings, where, beside)
    return settings


def _fill(value: Any, environment: Mapping[str, str], where: str, key: str) -> Any:
    if isinstance(value, dict):
        return {str(k): _fill(v, environment, where, f"{key}.{k}".strip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, environment, where, f"{key}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(where, key, f"must be a finite number, got {value}")
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(where, key, f"environment variable {match[1]} is not set")
        return environment[match[1]]

    return re.sub(r"\$\{(\w+)\}", replace, value)


def _check(settings: Settings, where: str, beside: Path) -> None:
    _check_files(settings, where, beside)
    _check_names(settings, where)
    _check_numbers(settings, where)
    _check_maintenance(settings, where)


def _check_files(settings: Settings, where: str, beside: Path) -> None:
    files = {"listen.token_file": settings.listen.token_file, "graph.file": settings.graph.file}
    files |= {"kafka.ca_file": settings.kafka.ca_file, "kafka.password_file": settings.kafka.password_file}
    files["listen.grafana_secret_file"] = settings.listen.grafana_secret_file
    for i, one in enumerate(settings.prometheus):
        files[f"prometheus[{i}].bearer_token_file"] = one.bearer_token_file
        files[f"prometheus[{i}].ca_file"] = one.ca_file
        files[f"prometheus[{i}].basic_auth.password_file"] = one.basic_auth.password_file if one.basic_auth else ""
        if one.basic_auth and one.bearer_token_file:
            raise ConfigError(where, f"prometheus[{i}]", "basic_auth and bearer_token_file exclude each other")
    for i, receiver in enumerate(settings.notifiers):
        if isinstance(receiver, AlertmanagerReceiver) and receiver.basic_auth and receiver.token_file:
            raise ConfigError(where, f"notifiers[{i}]", "basic_auth and token_file exclude each other")
        files |= {f"notifiers[{i}].{key}": name for key, name in receiver_files(receiver).items()}
    for key, name in files.items():
        if name and not (beside / name).is_file():
            raise ConfigError(where, key, f"names a file that is missing: {name}")


def _check_names(settings: Settings, where: str) -> None:
    for key, names in (
        ("prometheus", [source_name(p) for p in settings.prometheus]),
        ("notifiers", [n.name for n in settings.notifiers]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(where, key, f"two of them have the name {name!r}; give each its own `name`")


def _check_numbers(settings: Settings, where: str) -> None:
    steps = {"push.step_s": settings.push.step_s}
    steps |= {f"prometheus[{i}].step_s": one.step_s for i, one in enumerate(settings.prometheus)}
    for key, step_s in steps.items():
        # A tolerance, because 1.1 s is not quite 1100 ms in binary.
        if abs(step_s * 1000 - round(step_s * 1000)) > 1e-6:
            raise ConfigError(where, key, f"must be a whole number of milliseconds, got {step_s}")
    if settings.detection.needed > settings.detection.of:
        raise ConfigError(where, "detection.needed", f"must be <= detection.of = {settings.detection.of}")


def _check_maintenance(settings: Settings, where: str) -> None:
    for i, one in enumerate(settings.maintenance):
        if one.end <= one.start:
            raise ConfigError(where, f"maintenance[{i}].end", f"must be after start = {one.start.isoformat()}")
        if one.all == bool(one.services):
            raise ConfigError(where, f"maintenance[{i}]", "must have either `services` or `all: true`")
        if "" in one.services:
            raise ConfigError(where, f"maintenance[{i}].services", "must not have empty names")
