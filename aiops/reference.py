"""Writes the pages of all settings and of all metrics from the code: `python -m aiops.reference docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from prometheus_client import Metric

from aiops import config
from aiops.config.kafka import KafkaInput, KafkaSettings
from aiops.config.only import Only
from aiops.config.slack import SlackReceiver, SlackRoute
from aiops.config.tickets import GithubReceiver, GrafanaReceiver, JiraReceiver, PagerDutyReceiver
from aiops.telemetry import Telemetry

HEAD = """# Settings

One YAML file. `${NAME}` in a value is replaced by the environment variable NAME. Unknown keys are errors.
`aiops check-config FILE` says what a file means. This page is written by `make docs`.

Top-level keys: `prometheus` (a list), `push`, `listen`, `detection`, `triage`, `graph`, `notifiers` (a list),
`maintenance` (a list), `verdicts`, `store`, `kafka`, `limits`,
`signals` (recipes in the format of a [signal pack](signal_packs.md)), `log_level` (`info`).
"""

SECTIONS = (
    ("prometheus[]", config.PrometheusSettings),
    ("basic_auth", config.BasicAuth),
    ("push", config.PushSettings),
    ("listen", config.ListenSettings),
    ("detection", config.DetectionSettings),
    ("triage", config.TriageSettings),
    ("graph", config.GraphSettings),
    ("notifiers[] kind: console", config.ConsoleReceiver),
    ("notifiers[] kind: webhook", config.WebhookReceiver),
    ("notifiers[] kind: alertmanager", config.AlertmanagerReceiver),
    ("notifiers[] kind: grafana", GrafanaReceiver),
    ("notifiers[] kind: jira", JiraReceiver),
    ("notifiers[] kind: github", GithubReceiver),
    ("notifiers[] kind: pagerduty", PagerDutyReceiver),
    ("notifiers[] kind: slack", SlackReceiver),
    ("notifiers[].routes[]", SlackRoute),
    ("notifiers[].only", Only),
    ("maintenance[]", config.MaintenanceSettings),
    ("verdicts", config.VerdictSettings),
    ("store", config.StoreSettings),
    ("kafka", KafkaSettings),
    ("kafka.inputs[]", KafkaInput),
    ("limits", config.Limits),
)


METRICS_HEAD = """# Metrics

For those who watch the service: what `/metrics` shows of it, from the start, at zero. `deploy/rules.yml` has alerts on
them, `deploy/grafana/` a dashboard. Beside them are `aiops_verdicts_total` by outcome, the usual `process_*`, those of
[workers on Kafka](kafka.md), and `anomaly_score`, `yhat`, `yhat_lower`, `yhat_upper` of the series that score highest
(`listen.max_score_series`; `aiops_scores_left_out` counts the rest). This page is written by `make docs`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """All settings as Markdown."""
    return HEAD + "".join(f"\n{_section(name, kind)}" for name, kind in SECTIONS)


def _section(name: str, kind: type[msgspec.Struct]) -> str:
    rows = "\n".join(_rows(kind))
    return f"## `{name}`\n\n{kind.__doc__}\n\n| key | default | rule | meaning |\n|---|---|---|---|\n{rows}\n"


def _rows(kind: type[msgspec.Struct]) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        kind, *metas = (
            get_args(hints[field.name]) if get_origin(hints[field.name]) is Annotated else [hints[field.name]]
        )
        rules = [
            f"{sign} {getattr(meta, name)}"
            for meta in metas
            for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"), ("pattern", "matches"))
            if getattr(meta, name) is not None
        ]
        rule = ", ".join([*_choices(kind), *rules]).replace("|", "\\|")
        told = [meta.description for meta in metas if meta.description]
        yield f"| `{field.name}` | {_default(field)} | {rule} | {told[-1] if told else ''} |"


def _choices(hint: Any) -> list[str]:
    """The words that may be written there, alone or in a list."""
    if get_origin(hint) is list:
        return _choices(get_args(hint)[0])
    return [" or ".join(f"`{one}`" for one in get_args(hint) if one)] if get_origin(hint) is Literal else []


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value in ("", {}, [], None) or isinstance(value, msgspec.Struct):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def metrics_page() -> str:
    """The service's own metrics as Markdown."""
    telemetry = Telemetry()
    # What has labels of its own is there once one of them is known.
    telemetry.add_source("push", reasons=("late",))
    telemetry.add_asked("main", lambda: False)
    telemetry.add_receiver("console")
    found = sorted(telemetry.registry.collect(), key=lambda one: one.name)
    return METRICS_HEAD + "".join(_metric(one) for one in found if one.name.startswith("aiops_"))


def _metric(one: Metric) -> str:
    name = f"{one.name}_total" if one.type == "counter" else one.name
    labels = dict.fromkeys(label for sample in one.samples for label in sample.labels if label != "le")
    return f"| `{name}` | {one.type} | {', '.join(f'`{label}`' for label in labels)} | {one.documentation} |\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
    (folder / "metrics.md").write_text(metrics_page(), encoding="utf-8")
