"""Compiles the numeric kernels before they are needed: numba does it at the first call, once per installation."""

from __future__ import annotations

import logging

import numpy as np

from aiops._kernel_cache import are_compiled
from aiops.sources.push import compile_kernels as compile_push_kernels
from detectors import DETECTORS
from rca.deviation import compile_kernel as compile_ranking_kernel

log = logging.getLogger(__name__)


def compile_kernels() -> None:
    """Compile everything that a first batch would otherwise wait for: seconds when cached, up to a minute when not."""
    if not are_compiled():
        log.info("compiling kernels, once per installation; takes up to a minute")
    for kind in DETECTORS.values():
        kind(1).update(np.array([0, 60_000]), np.zeros((2, 1)))
    compile_push_kernels()
    compile_ranking_kernel()
