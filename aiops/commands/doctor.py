"""`aiops doctor`: looks at everything the service needs and says what to do about what is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aiops import app, config
from aiops.commands._json import print_json
from aiops.errors import AiopsError, InputError, SourceError
from aiops.links import http_url
from aiops.packs.match import present
from aiops.stores import Store
from aiops.stores.place import is_address, open_store

LEAST_FREE_BYTES = 500 * 2**20  # chosen: a large snapshot and some days of incidents
MOST_SKEW_S = 5.0  # chosen: beyond it the latest step is asked for too early
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `todo` is empty while it is well."""

    name: str
    state: Literal["ok", "warning", "wrong"]
    said: str
    todo: str = ""


def run_doctor(path: Path, *, output: Literal["text", "json"]) -> bool:
    """Look at everything a configuration file names, print each check; True if nothing is wrong."""
    try:
        settings = config.load(path)
    except AiopsError as error:
        checks = [Check("configuration", "wrong", str(error), "mend the file; `aiops check-config` checks it again")]
    else:
        checks = [Check("configuration", "ok", f"{path} is fine"), *_looked_at(settings, path.parent)]
    if output == "json":
        print_json([asdict(c) for c in checks])
    else:
        marks = {"ok": "  ok   ", "warning": "WARNING", "wrong": " WRONG "}
        for check in checks:
            sys.stdout.write(f"{marks[check.state]}  {check.name}: {check.said}\n")
            if check.todo:
                sys.stdout.write(f"         -> {check.todo}\n")
    return all(check.state != "wrong" for check in checks)


def _looked_at(settings: config.Settings, base: Path) -> Iterator[Check]:
    yield from _store(settings, base)
    for one in settings.prometheus:
        yield from asyncio.run(_prometheus(one, settings, base))
    if not settings.prometheus and not settings.push.enabled:
        todo = "add a `prometheus` entry or set push.enabled"
        yield Check("sources", "wrong", "there is none: nothing is watched", todo)
    yield from _graph(settings)
    yield from _receivers(settings)
    if settings.listen.is_open:
        todo = "set listen.token_file, or let nobody but a proxy that asks for more reach it"
        yield Check("access", "warning", f"whoever reaches {settings.listen.host} may silence and judge", todo)
    yield from _service(settings, base)


def _store(settings: config.Settings, base: Path) -> Iterator[Check]:
    place = settings.store.place
    if not is_address(place):
        folder = (base / place).parent
        free_bytes = shutil.disk_usage(folder if folder.exists() else base).free
        if free_bytes < LEAST_FREE_BYTES:
            yield Check("disk", "wrong", f"{free_bytes // 2**20} MiB are free", f"make room where {folder} is")
        else:
            yield Check("disk", "ok", f"{free_bytes // 2**20} MiB are free")
        if not (base / place).exists():
            yield Check("store", "ok", f"{place} is not there yet; the service makes it")
            return
    try:
        store = open_store(place, base=base, read_only=True)
    except AiopsError as error:
        yield Check("store", "wrong", str(error), "see the table of messages in docs/incidents.md")
        return
    try:
        yield from _kept(store)
    except AiopsError as error:
        yield Check("store", "wrong", str(error), "see the table of messages in docs/incidents.md")
    finally:
        store.close()


def _kept(store: Store) -> Iterator[Check]:
    counts = store.counts()
    said = f"{counts['incidents']} incidents, {counts['active']} of them active, {counts['inbox']} events wait"
    yield Check("store", "ok", said)
    if counts["dead"]:
        latest = store.dead_letters(1)[0]
        said = (
            f"{counts['dead']} notifications were given up; the latest to {latest.notification.receiver}: {latest.note}"
        )
        todo = "mend the reason, then `aiops dead-letters --replay`"
        yield Check("delivery", "warning", said, todo)
    elif counts["outbox"]:
        yield from _waiting(store)
    else:
        yield Check("delivery", "ok", "nothing waits, nothing was given up")


def _waiting(store: Store) -> Iterator[Check]:
    late = [row for row in store.pending(2**62) if row.attempts]
    if late:
        said = f"{late[0].notification.receiver} does not take notifications: {late[0].note}"
        yield Check("delivery", "warning", said, "look at that receiver; what waits is sent again for a day")
    else:
        yield Check("delivery", "ok", "notifications are on their way")


async def _prometheus(one: config.PrometheusSettings, settings: config.Settings, base: Path) -> list[Check]:
    name = f"prometheus {config.source_name(one)}"
    try:
        client = app.prometheus_client(one, base)
    except AiopsError as error:
        return [Check(name, "wrong", str(error), "mend this entry of `prometheus`")]
    try:
        before_s = time.time()
        (now,) = await client.instant("time()")
        skew_s = now.value - (before_s + time.time()) / 2
        names = await client.metric_names()
    except (SourceError, ValueError) as error:
        todo = "check that the server runs, that this host reaches it, and its credentials"
        return [Check(name, "wrong", str(error), todo)]
    finally:
        await client.aclose()
    checks = [Check(name, "ok", f"answers, {len(names)} metrics")]
    if abs(skew_s) > MOST_SKEW_S:
        todo = "set the clocks of both by NTP: steps are asked for by our clock"
        checks.append(Check(f"{name} clock", "wrong", f"is {skew_s:+.0f} s off ours", todo))
    else:
        checks.append(Check(f"{name} clock", "ok", f"is {skew_s:+.1f} s off ours"))
    packs = present(app.chosen(app.all_packs(settings), one.packs, "prometheus.packs"), names)
    signals = sum(len(pack.recipes) for pack in packs.values())
    if signals:
        checks.append(Check(f"{name} signals", "ok", f"{signals} from {', '.join(packs)}"))
    else:
        todo = "`aiops init` says what there is; `signals` adds your own"
        checks.append(Check(f"{name} signals", "wrong", "no signal pack matches: nothing of it is watched", todo))
    if "ALERTS" not in names:
        checks.append(
            Check(f"{name} alerts", "warning", "it has no alerting rules that fired", "none, if you have none")
        )
    return checks


def _graph(settings: config.Settings) -> Iterator[Check]:
    if not (settings.graph.file or settings.graph.jaeger_url or settings.prometheus or settings.push.enabled):
        yield Check("graph", "warning", "nothing tells who calls whom", "set graph.file or graph.jaeger_url")


def _receivers(settings: config.Settings) -> Iterator[Check]:
    names = [one.name for one in settings.notifiers]
    if names:
        yield Check("receivers", "ok", ", ".join(names))
    else:
        yield Check("receivers", "wrong", "nobody is told of anything", "add one to `notifiers`")


def _service(settings: config.Settings, base: Path) -> Iterator[Check]:
    import httpx

    listen = settings.listen
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "::", "") else listen.host  # noqa: S104 - to find it, not to listen
    url = f"{http_url(host, listen.port)}/-/ready"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S)
    except httpx.HTTPError:
        yield Check("service", "warning", f"does not answer on {url}", f"`aiops run --config` starts it (in {base})")
        return
    lines = [line for line in answer.text.splitlines() if line]
    if answer.status_code == 200:
        yield Check("service", "ok", "is ready")
    for line in lines[1:]:
        part, _, reason = line.removeprefix("warning: ").partition(": ")
        state: Literal["warning", "wrong"] = "warning" if line.startswith("warning: ") else "wrong"
        yield Check(f"service, {part}", state, reason, advice(part, reason))


def advice(part: str, reason: str) -> str:
    """What to do about a part that is not well.

    >>> advice("receiver chat", "does not take notifications: HTTP 500")
    'look at that receiver; what waits is sent again for a day, then it is a dead letter'
    """
    if part == "store":
        return "do what the message says; alerts are refused with 503 meanwhile, so their senders keep them"
    if part == "detection":
        return "look at the load of this machine, and at limits.max_series"
    if part == "clock":
        return "let NTP slew the clock instead of setting it; nothing was lost"
    if part == "dead letters":
        return "mend the reason, then `aiops dead-letters --replay`"
    if part.startswith("receiver "):
        return "look at that receiver; what waits is sent again for a day, then it is a dead letter"
    if part.startswith("service "):
        return "check that it runs and is scraped; if it was taken away, this ends after an hour"
    if reason == "starting":
        return "wait; if it stays so, check the address and what the server has"
    if "no samples" in reason or "missing" in reason:
        return "check that the sender runs and its targets are up"
    return "check that the source runs, that this host reaches it, and its credentials"


def require_well(path: Path, *, output: Literal["text", "json"]) -> None:
    """Raise `InputError` after the checks were printed if something is wrong."""
    if not run_doctor(path, output=output):
        raise InputError("something is wrong, see above")
