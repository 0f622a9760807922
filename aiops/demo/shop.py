"""A shop that behaves: traffic with seasons, requests that call on, times and failures that add up along the calls.

`Shop.take` gives the state of the shop minute by minute; `exporters.py` turns it into the raw series that real
exporters would show. Deterministic in seed, start and faults, however the time is cut into stretches: every kind of
noise has a generator of its own and draws row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiops.demo.faults import Effects, Fault, effects
from aiops.demo.topology import CALLS, NAMES, SERVICES
from aiops.model import F64, I64

_DAY_MS = 86_400_000
_EPOCH_MONDAY_MS = 4 * _DAY_MS  # 1970-01-05
_INDEX = {name: j for j, name in enumerate(NAMES)}
CALLER = np.array([_INDEX[c.caller] for c in CALLS])
CALLEE = np.array([_INDEX[c.callee] for c in CALLS])
DOWN_S = 0.002  # a refused connection is answered at once
NETWORK_S = 0.0008  # one hop inside a data centre


@dataclass(frozen=True, slots=True)
class Stretch:
    """The shop over t steps; arrays (t, services) in order of `NAMES`, or (t, calls) in order of `CALLS`.

    Parameters
    ----------
    times : (t,) unix ms
    rate : requests per second reaching each service
    mean, variance : of the time of a request, callees included, in s and s^2
    failing : share of requests that end in a failure
    cpu : cores used
    memory : bytes of working set
    up : whether a process runs
    call_rate : requests per second over each call
    """

    times: I64
    rate: F64
    mean: F64
    variance: F64
    failing: F64
    cpu: F64
    memory: F64
    up: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    call_rate: F64


class Wander:
    """Noise with a memory: first-order autoregressive, standard deviation `size`, kept between calls.

    >>> one, two = Wander(np.random.default_rng(1), 2, 0.9, 1.0), Wander(np.random.default_rng(1), 2, 0.9, 1.0)
    >>> whole, parts = one.take(4), np.vstack([two.take(1), two.take(3)])
    >>> bool((whole == parts).all())
    True
    """

    def __init__(self, rng: np.random.Generator, n: int, keep: float, size: float) -> None:
        self._rng, self._keep = rng, keep
        self._shock = size * float(np.sqrt(1 - keep * keep))
        self._state = size * rng.standard_normal(n)

    def take(self, steps: int) -> F64:
        """The next steps, (steps, n)."""
        out = self._shock * self._rng.standard_normal((steps, len(self._state)))
        for i in range(steps):
            out[i] += self._keep * self._state
            self._state = out[i]
        self._state = self._state.copy()
        return out


def season(times: I64) -> F64:
    """Traffic relative to its weekly mean: a trough at night, a peak in the evening (UTC), quieter weekends.

    >>> tuesday = 5 * 86_400_000
    >>> [round(float(r), 2) for r in season(tuesday + 3_600_000 * np.array([6, 12, 19]))]
    [0.55, 0.83, 1.72]
    """
    day = 2 * np.pi * (times % _DAY_MS) / _DAY_MS
    weekday = ((times - _EPOCH_MONDAY_MS) / _DAY_MS) % 7
    weekend = 1 / (1 + np.exp(-12 * (weekday - 5.0))) - 1 / (1 + np.exp(-12 * (weekday - 6.95)))
    # chosen: two harmonics, so that the evening is peaked and the afternoon a shoulder
    shape = 1 + 0.55 * np.cos(day - 2 * np.pi * 19 / 24) + 0.12 * np.cos(2 * day - 2 * np.pi * 16 / 24)
    return np.asarray(shape * (1.04 - 0.18 * weekend), dtype=np.float64)


class Shop:
    """The shop from `start_ms` on.

    Parameters
    ----------
    seed : of all noise
    start_ms : unix ms of the first step
    step_s : distance of steps, seconds
    faults : what goes wrong, and when
    """

    def __init__(self, *, seed: int, start_ms: int, step_s: int = 60, faults: tuple[Fault, ...] = ()) -> None:
        self.step_s, self.faults = step_s, faults
        self._next_ms = start_ms
        n = len(SERVICES)
        rngs = np.random.default_rng(seed).spawn(5)
        # chosen: traffic moves by some per cent within the quarter hour, times a little more slowly
        self._traffic = Wander(rngs[0], 1, 0.93, 0.035)
        self._rates = Wander(rngs[1], n, 0.85, 0.015)
        self._times = Wander(rngs[2], n, 0.9, 0.035)
        self._cpu = Wander(rngs[3], n, 0.8, 0.02)
        self._memory = Wander(rngs[4], n, 0.995, 0.015)

    def take(self, steps: int) -> Stretch:
        """The next `steps` steps."""
        times = self._next_ms + self.step_s * 1000 * np.arange(steps, dtype=np.int64)
        self._next_ms += self.step_s * 1000 * steps
        effect = effects(self.faults, NAMES, times)
        rate, call_rate = self._flow(times, effect)
        mean, variance, failing = self._answers(rate, effect)
        return Stretch(
            times,
            rate,
            mean,
            variance,
            failing,
            self._cores(rate, effect),
            self._bytes(rate, effect),
            effect.up,
            call_rate,
        )

    def _flow(self, times: I64, effect: Effects) -> tuple[F64, F64]:
        """Requests per second of services and calls, from the entries down."""
        entry = np.array([s.entry_rps for s in SERVICES])
        steps = len(times)
        outside = season(times)[:, None] * np.exp(self._traffic.take(steps))
        own = np.exp(self._rates.take(steps))
        rate = outside * entry * own
        call_rate = np.zeros((steps, len(CALLS)))
        for k, call in enumerate(CALLS):  # callers stand before callees, so a caller's rate is complete here
            call_rate[:, k] = rate[:, CALLER[k]] * call.per_request * effect.up[:, CALLER[k]]
            rate[:, CALLEE[k]] += call_rate[:, k]
        return rate, call_rate

    def _answers(self, rate: F64, effect: Effects) -> tuple[F64, F64, F64]:
        """Time and failures of each service's requests, from the leaves up."""
        own = np.array([s.own_s for s in SERVICES]) * effect.slower * np.exp(self._times.take(len(rate)))
        usual = np.array([_usual_rate(s.name) for s in SERVICES])
        own *= 1 + 0.06 * (rate / usual) ** 2  # chosen: busy hours are a tenth slower
        mean = own.copy()
        variance = (np.array([s.spread for s in SERVICES]) * own) ** 2
        healthy = 1 - np.minimum(np.array([s.failing for s in SERVICES]) + effect.failing, 1.0)
        for k in reversed(range(len(CALLS))):
            caller, callee, call = CALLER[k], CALLEE[k], CALLS[k]
            share = call.per_request
            up = effect.up[:, callee]
            took = np.where(up, mean[:, callee] + NETWORK_S, DOWN_S)
            varies = np.where(up, variance[:, callee], 0.0)
            mean[:, caller] += share * took
            # a call made by some requests only spreads their times: Var = p(v + m^2) - (pm)^2
            chance = min(share, 1.0)
            variance[:, caller] += share * varies + chance * (1 - chance) * took**2
            fails = np.where(up, 1 - healthy[:, callee], 1.0)
            healthy[:, caller] *= 1 - np.minimum(chance * call.passes * fails, 1.0)
        return mean, variance, np.clip(1 - healthy, 0.0, 1.0)

    def _cores(self, rate: F64, effect: Effects) -> F64:
        per_request = np.array([s.cpu_s for s in SERVICES])
        return np.asarray((0.02 + rate * per_request * np.exp(self._cpu.take(len(rate)))) * effect.busier)

    def _bytes(self, rate: F64, effect: Effects) -> F64:
        rest = np.array([s.memory_bytes for s in SERVICES])
        return np.asarray(rest * np.exp(self._memory.take(len(rate))) + 30_000.0 * rate + effect.memory)


def _usual_rate(name: str) -> float:
    entry = next(s.entry_rps for s in SERVICES if s.name == name)
    return entry + sum(_usual_rate(c.caller) * c.per_request for c in CALLS if c.callee == name)
