"""What happens in the demo: two quiet weeks with ordinary deploys, then one of several deploys that is bad."""

from __future__ import annotations

import random
from dataclasses import dataclass

from aiops.demo.exporters import Restart
from aiops.demo.faults import Fault

MINUTE_MS = 60_000
_DAY_MS = 86_400_000
LIVE_MINUTES = 40
"""How far before now the past ends and the accelerated present begins; below the hour that is never history."""

BAD_SERVICE = "payments"
_BAD_MINUTES_AGO = 30
_ROLLBACK_MINUTES_LATER = 12


@dataclass(frozen=True, slots=True)
class Deploy:
    """A new version of a service goes live; most change nothing that anybody could see."""

    time_ms: int
    service: str
    version: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """A plan of the demo.

    Parameters
    ----------
    start_ms : first sample
    live_ms : where the past ends and the accelerated present begins
    now_ms : where real time begins
    deploys : in time order
    faults, restarts : what they and chance do to the shop
    """

    start_ms: int
    live_ms: int
    now_ms: int
    deploys: tuple[Deploy, ...]
    faults: tuple[Fault, ...]
    restarts: tuple[Restart, ...]


def story(now_ms: int, *, seed: int = 7, history_days: int = 14) -> Story:
    """The demo as of `now_ms`, which is rounded down to a whole minute.

    The bad deploy comes half an hour before now and is rolled back 12 minutes after now. Deploys of other services
    come before it, a minute before it, and after it.
    """
    now_ms -= now_ms % MINUTE_MS
    live_ms = now_ms - LIVE_MINUTES * MINUTE_MS
    start_ms = live_ms - history_days * _DAY_MS
    bad_ms = now_ms - _BAD_MINUTES_AGO * MINUTE_MS
    back_ms = now_ms + _ROLLBACK_MINUTES_LATER * MINUTE_MS
    rng = random.Random(seed)  # noqa: S311 a plot, not a secret
    past = [_ordinary(rng, start_ms - start_ms % _DAY_MS + day * _DAY_MS, day) for day in range(1, history_days)]
    present = [
        Deploy(now_ms - 37 * MINUTE_MS, "catalogue", "v5.12.0", "more fields in the product view"),
        Deploy(now_ms - 34 * MINUTE_MS, "cart", "v3.4.1", "log format"),
        Deploy(bad_ms - MINUTE_MS, "inventory", "v1.19.0", "dependency updates"),
        Deploy(bad_ms, BAD_SERVICE, "v2.31.0", "new card validation"),
        Deploy(now_ms - 12 * MINUTE_MS, "search", "v8.0.3", "spelling dictionary"),
        Deploy(back_ms, BAD_SERVICE, "v2.30.4", "roll back to v2.30.4"),
    ]
    deploys = tuple(sorted([*past, *present], key=lambda d: d.time_ms))
    crashes = [
        Restart(start_ms + int(rng.uniform(0.5, history_days - 0.5) * _DAY_MS), s, crashed=True) for s in _FRAGILE
    ]
    restarts = (*crashes, *(Restart(d.time_ms, d.service) for d in deploys))
    faults = (
        Fault("bad deploy", BAD_SERVICE, bad_ms, back_ms),
        Fault(
            "bad deploy", "catalogue", now_ms - 37 * MINUTE_MS, back_ms + _DAY_MS, size=0.004
        ),  # 2 % slower: harmless
    )
    return Story(start_ms, live_ms, now_ms, deploys, faults, restarts)


_FRAGILE = ("search", "fraud")


def _ordinary(rng: random.Random, day_ms: int, number: int) -> Deploy:
    service = rng.choice(("gateway", "checkout", "orders", "fraud", "shipping", "notifications"))
    return Deploy(day_ms + rng.randrange(9 * 60, 17 * 60) * MINUTE_MS, service, f"v1.{number}.0")
