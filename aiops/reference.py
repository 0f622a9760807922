"""Writes the page of all settings from the settings themselves: `python -m aiops.reference docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from aiops import config
from aiops._config_kafka import KafkaInput, KafkaSettings
from aiops._config_only import Only
from aiops._config_slack import SlackReceiver, SlackRoute
from aiops._config_tickets import GithubReceiver, GrafanaReceiver, JiraReceiver, PagerDutyReceiver

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


def page() -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(f"\n{_section(name, kind)}" for name, kind in SECTIONS)


def _section(name: str, kind: type[msgspec.Struct]) -> str:
    rows = "\n".join(_rows(kind))
    return f"## `{name}`\n\n{kind.__doc__}\n\n| key | default | rule | meaning |\n|---|---|---|---|\n{rows}\n"


def _rows(kind: type[msgspec.Struct]) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        meta = _meta(hints[field.name])
        rule = ", ".join(
            f"{sign} {getattr(meta, name)}"
            for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"), ("pattern", "matches"))
            if meta and getattr(meta, name) is not None
        )
        told = meta.description if meta and meta.description else ""
        yield f"| `{field.name}` | {_default(field)} | {rule.replace('|', chr(92) + '|')} | {told} |"


def _meta(hint: Any) -> msgspec.Meta | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((m for m in get_args(hint)[1:] if isinstance(m, msgspec.Meta)), None)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in ("", {}, [], None) else ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
