"""`aiops init` and `aiops check-config`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiops import app, config
from aiops._budgets import preview
from aiops._discovery_plan import Plan
from aiops.commands._progress import progress_bar
from aiops.discovery import config_text, discover, plan_text
from aiops.errors import ConfigError, InputError
from aiops.graphs.file import load_edges
from aiops.links import http_url
from aiops.notifiers.checks import MemoryReceipts
from aiops.packs import Pack


def write_config(url: str, output: Path, *, force: bool) -> None:
    """Look at a Prometheus, print what would be watched, and write a configuration for it.

    Raises
    ------
    InputError : the file is there already, or the address is none
    SourceError : the Prometheus does not answer
    """
    if output.exists() and not force:
        raise InputError(f"{output}: is there already; --force overwrites it, --output names another file")
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--prometheus: {url!r} is no address; it must look like http://prometheus:9090")
    plan = asyncio.run(_look(url))
    sys.stdout.write(plan_text(plan))
    if not plan.packs:
        raise InputError(f"nothing to watch on {url}; no file was written")
    try:
        output.write_text(config_text(plan, url), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    sys.stdout.write(f"\nWritten: {output}\nNext: aiops run --config {output}\n")


async def _look(url: str) -> Plan:
    client = app.prometheus_client(config.PrometheusSettings(url=url), Path())
    try:
        with progress_bar("asking the server") as step:
            return await discover(client, app.all_packs(config.Settings()), progress=step)
    finally:
        await client.aclose()


def check(path: Path) -> None:
    """Check a configuration with all it names, and say what it means.

    Raises
    ------
    ConfigError : naming file, key and rule
    """
    settings, base = config.load(path), path.parent
    try:
        packs = app.all_packs(settings)
        lines = [_pull_line(one, packs) for one in settings.prometheus]
        app.build_notifiers(settings, base, app.Around(MemoryReceipts(), lambda: 0, settings.listen.public_url))
        for one in settings.prometheus:
            app.prometheus_client(one, base)
        if settings.push.enabled:
            lines.append(f"push: remote_write on {_address(settings)}/api/v1/write, every {settings.push.step_s:g} s")
            app.chosen(packs, settings.push.packs, "push.packs")
        if settings.graph.file:
            load_edges(base / settings.graph.file)
    except InputError as error:
        raise ConfigError(str(path), "", str(error)) from error
    lines += preview(settings, packs)
    lines.append(f"listens: {_address(settings)}")
    lines.append(f"budget of false pages: {settings.detection.page_budget_per_30d:g} per series and 30 days")
    lines.append(f"tells: {', '.join(n.name for n in settings.notifiers) or 'nobody'}")
    lines.append(f"state: {_state(settings.store, base)}")
    sys.stdout.write(f"{path}: fine\n" + "".join(f"  {line}\n" for line in lines))


def _pull_line(one: config.PrometheusSettings, packs: dict[str, Pack]) -> str:
    names = app.chosen(packs, one.packs, "prometheus.packs")
    packs_text = "the packs that match" if one.packs == "auto" else ", ".join(names)
    return f"pull: {one.url} every {one.step_s:g} s, {packs_text}, {one.history_days:g} days to learn from"


def _state(one: config.StoreSettings, base: Path) -> str:
    # An address may hold a password: only where it leads is shown.
    return f"PostgreSQL at {one.url.rpartition('@')[2]}" if one.url else str(base / one.path)


def _address(settings: config.Settings) -> str:
    return http_url(settings.listen.host, settings.listen.port)
