"""What can go wrong in the shop, as functions of time alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aiops.model import F64, I64

FaultKind = Literal["bad deploy", "latency", "errors", "crash", "saturation", "leak"]
"""What goes wrong in one service; callers feel it through their calls."""

RAMP_MS = 60_000
"""A fault takes hold over this time: pods are replaced one after the other (chosen)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one service from `start_ms` to `end_ms`.

    `size` is 1 for the usual strength; 0.1 is a tenth of the effect.
    """

    kind: FaultKind
    service: str
    start_ms: int
    end_ms: int
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Effects:
    """What all faults together do. All arrays (t, services), neutral = 1, 0, 1, 0, True.

    Parameters
    ----------
    slower : factor on the service's own time per request
    failing : share of requests that fail in addition
    busier : factor on processor time
    memory : bytes in addition
    up : False while no process of the service runs
    """

    slower: F64
    failing: F64
    busier: F64
    memory: F64
    up: np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def effects(faults: tuple[Fault, ...], names: tuple[str, ...], times: I64) -> Effects:
    """All faults at the given times (t,), for the services in order of `names`."""
    shape = (len(times), len(names))
    out = Effects(np.ones(shape), np.zeros(shape), np.ones(shape), np.zeros(shape), np.ones(shape, dtype=np.bool_))
    for fault in faults:
        _add(out, fault, names.index(fault.service), times)
    return out


def _add(out: Effects, fault: Fault, j: int, times: I64) -> None:
    inside = (times >= fault.start_ms) & (times < fault.end_ms)
    grip = fault.size * np.where(inside, np.clip((times - fault.start_ms + RAMP_MS) / (2 * RAMP_MS), 0.0, 1.0), 0.0)
    if fault.kind == "bad deploy":  # six times slower and 8 % errors, as a missing index or a retry loop gives
        out.slower[:, j] *= 1 + 5 * grip
        out.failing[:, j] += 0.08 * grip
        out.busier[:, j] *= 1 + 0.4 * grip
    elif fault.kind == "latency":
        out.slower[:, j] *= 1 + 4 * grip
    elif fault.kind == "errors":
        out.failing[:, j] += 0.25 * grip
    elif fault.kind == "crash":
        out.up[:, j] &= ~inside
    elif fault.kind == "saturation":  # a noisy neighbour or too few replicas: all of the processor, long waits
        out.slower[:, j] *= 1 + 3 * grip
        out.busier[:, j] *= 1 + 2 * grip
    else:  # leak: 20 MB a minute, with garbage collection slowing the service down
        minutes = np.where(inside, (times - fault.start_ms) / 60_000, 0.0)
        out.memory[:, j] += 20e6 * minutes * fault.size
        out.slower[:, j] *= 1 + 0.02 * minutes * fault.size
