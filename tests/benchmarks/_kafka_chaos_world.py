"""Islands of services that call each other, one fault on each: samples by seed, and what is true of them.

    front-7 -> middle-7 -> back-7        (twenty of these; nobody calls from one island to another)

A fault lets requests of one service fail; those who call it fail with it. So every island owes one incident with one
true cause, and islands may be broken at the same time. They differ in where, when, how much and for how long.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from aiops.demo.encode import key_of
from aiops.model import F64, I64

STEP_MS = 2_000
DRAWN = 100  # steps that are drawn at once
TIERS = ("front", "middle", "back")
REQUESTS_PER_STEP = 1200.0
FAILING = (0.2, 0.6)
QUIET_FAILING = 0.002
LASTS_S = (30, 40)


@dataclass(frozen=True, slots=True)
class Fault:
    """A share of one service's requests fails from `start_ms` until `end_ms`."""

    island: int
    tier: int
    failing: float
    start_ms: int
    end_ms: int

    @property
    def service(self) -> str:
        """The service that is broken, the true cause."""
        return f"{TIERS[self.tier]}-{self.island}"


@dataclass(frozen=True)
class World:
    """What happens on all islands.

    Parameters
    ----------
    start_ms : first sample, on a whole step
    live_ms : where the past ends
    faults : one per island, in the order of islands
    """

    seed: int
    start_ms: int
    live_ms: int
    faults: tuple[Fault, ...]

    @cached_property
    def keys(self) -> list[bytes]:
        """Label sets of all series, in the order of the columns of `Samples`."""
        return [key_of(sorted(labels.items())) for n in range(len(self.faults)) for labels in _labels(n)]


def planned(seed: int, start_ms: int, live_ms: int, *, islands: int, first_s: float, last_s: float) -> World:
    """A world in which each island breaks once, at a time drawn between two seconds after `live_ms`."""
    rng = random.Random(seed)
    faults = []
    for island in range(islands):
        at_ms = live_ms + round(rng.uniform(first_s, last_s) * 1000)
        at_ms -= at_ms % STEP_MS
        lasts_ms = 1000 * rng.randint(*LASTS_S)
        faults.append(Fault(island, rng.randrange(len(TIERS)), rng.uniform(*FAILING), at_ms, at_ms + lasts_ms))
    return World(seed, start_ms - start_ms % STEP_MS, live_ms, tuple(faults))


class Samples:
    """The world's counters, read from its beginning on; the same ones in whatever pieces they are read."""

    def __init__(self, world: World) -> None:
        self.next_ms = world.start_ms
        self._world = world
        self._drawn_ms = world.start_ms
        self._last = np.zeros((1, len(world.keys)))
        self._ahead = np.zeros((0, len(world.keys)))

    def read(self, steps: int) -> tuple[I64, F64]:
        """Times (t,) and counters (t, series) of the next steps."""
        while len(self._ahead) < steps:
            self._draw()
        times = self.next_ms + STEP_MS * np.arange(steps)
        self.next_ms += STEP_MS * steps
        values, self._ahead = self._ahead[:steps], self._ahead[steps:]
        return times, values

    def _draw(self) -> None:
        times = self._drawn_ms + STEP_MS * np.arange(DRAWN)
        rng = np.random.default_rng([self._world.seed, self._drawn_ms // STEP_MS])
        self._drawn_ms += STEP_MS * DRAWN
        grown = np.concatenate([_island(rng, fault, times) for fault in self._world.faults], axis=1)
        values = self._last + np.cumsum(grown, axis=0)
        self._last = values[-1:]
        self._ahead = np.concatenate([self._ahead, values])


def _labels(n: int) -> list[dict[str, str]]:
    """Of one island: what each service has served, then what each call looks like to the caller."""
    served, graph = "http_server_request_duration_seconds", "traces_service_graph_request"
    names = [f"{tier}-{n}" for tier in TIERS]
    found = []
    for name in names:
        found += [
            {"__name__": f"{served}_count", "service_name": name, "http_response_status_code": "200"},
            {"__name__": f"{served}_count", "service_name": name, "http_response_status_code": "500"},
        ]
    for caller, callee in pairwise(names):
        edge = {"client": caller, "server": callee}
        found += [
            {"__name__": f"{graph}_total", **edge},
            {"__name__": f"{graph}_failed_total", **edge},
        ]
    return found


def _island(rng: np.random.Generator, fault: Fault, times: I64) -> F64:
    """How much each counter of an island grows in each step, (t, 10)."""
    t = len(times)
    own = np.full((t, len(TIERS)), QUIET_FAILING)
    own[(times >= fault.start_ms) & (times < fault.end_ms), fault.tier] += fault.failing
    # A request calls everything below it, and fails with it.
    failing = 1 - np.cumprod(1 - own[:, ::-1], axis=1)[:, ::-1]
    requests = rng.poisson(REQUESTS_PER_STEP, (t, 1)) * np.ones((1, len(TIERS)), np.int64)
    failed = rng.binomial(requests, failing)
    served = np.stack([requests - failed, failed], axis=2).reshape(t, -1)
    calls = np.stack([requests[:, 1:], failed[:, 1:]], axis=2).reshape(t, -1)
    return np.concatenate([served, calls], axis=1).astype(np.float64)
