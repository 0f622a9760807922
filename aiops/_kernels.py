"""Compiles the numeric kernels before they are needed: numba does it at the first call, once per installation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from aiops._kernel_cache import are_compiled, say_compiled
from aiops.detection.shares import compile_kernel as compile_shares_kernel
from aiops.sources.push import compile_kernels as compile_push_kernels
from detectors import DETECTORS, Bank, Light, Season
from rca.deviation import compile_kernel as compile_ranking_kernel

NOTEWORTHY_S = 1.0  # what is not compiled anew takes less

log = logging.getLogger(__name__)


def compile_kernels() -> None:
    """Compile everything that a first batch would otherwise wait for: seconds when cached, up to a minute when not."""
    is_first = not are_compiled()
    if is_first:
        log.info("compiling kernels, once per installation; takes up to a minute")
    detectors: list[Callable[[], object]] = [partial(_score, kind) for kind in DETECTORS.values()]
    parts = [*detectors, _one_row, _explain, compile_shares_kernel, compile_push_kernels, compile_ranking_kernel]
    for number, part in enumerate(parts, 1):
        began = time.monotonic()
        part()
        seconds = time.monotonic() - began
        if is_first and seconds > NOTEWORTHY_S:
            log.info("kernels compiled part=%d of=%d seconds=%.0f", number, len(parts), seconds)
    say_compiled()


def _score(kind: type) -> None:
    kind(1).update(np.array([0, 60_000]), np.zeros((2, 1)))


def _one_row() -> None:
    """The live case of the light bank, which is told of what is odd only."""
    Light(1).tick(0, np.zeros(1), watched=np.zeros(1, np.bool_))


def _explain() -> None:
    """What is asked of a series that is out of its band, or was after a change."""
    times, values, first = np.array([0, 60_000]), np.zeros((2, 1)), np.array([0])
    bank, season = Bank(1), Season(1)
    bank.update(times, values)
    season.update(times, values)
    bank.spoke(0)
    bank.accept(first)
    season.forgives(0, 60_000, up=True, inside=True)
