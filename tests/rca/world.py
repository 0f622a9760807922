"""A drawn system: what is true of it at every moment, measured by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator


@dataclass(slots=True)
class World:
    """One drawn system; arrays are (t, services) or (t, edges)."""

    names: list[str]
    edges: list[tuple[int, int]]
    calls: F64
    coupling: F64
    role: list[str]  # web | database | outside
    rows: int
    start: int  # first abnormal row
    load: F64
    rate: F64 = field(default_factory=lambda: np.zeros(0))
    own: F64 = field(default_factory=lambda: np.zeros(0))
    own_errors: F64 = field(default_factory=lambda: np.zeros(0))
    network: F64 = field(default_factory=lambda: np.zeros(0))
    edge_errors: F64 = field(default_factory=lambda: np.zeros(0))
    edge_factor: F64 = field(default_factory=lambda: np.zeros(0))
    cpu_factor: F64 = field(default_factory=lambda: np.zeros(0))
    cpu_extra: F64 = field(default_factory=lambda: np.zeros(0))
    memory: F64 = field(default_factory=lambda: np.zeros(0))
    pool: F64 = field(default_factory=lambda: np.zeros(0))
    queue: F64 = field(default_factory=lambda: np.zeros(0))
    disk: F64 = field(default_factory=lambda: np.zeros(0))
    gone: F64 = field(default_factory=lambda: np.zeros(0))
    restarts: F64 = field(default_factory=lambda: np.zeros(0))
