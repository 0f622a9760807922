"""Bodies of 2,000 series each for any number of distinct series, from one template whose bytes are written over.

All label sets are equally long, so that a body is a matrix of bytes: a row a series, with the digits of its number, its
value and its time always in the same columns.
"""

from __future__ import annotations

import cramjam
import numpy as np
from numpy.typing import NDArray

from aiops.demo.encode import encode_block
from aiops.model import F64
from aiops.sources._pushed_samples import key_of
from tests.benchmarks._write_bodies import BODY_SERIES, METRIC

U8 = NDArray[np.uint8]
STEP_MS = 15_000
TICK_0_MS = 1_700_000_010_000
DIGITS = 8
_POOL = 1_000_000
_KEYS = [
    key_of(
        (
            ("__name__", METRIC),
            ("cluster", "prod-eu-1"),
            ("container", "app"),
            ("endpoint", "http-metrics"),
            ("env", "production"),
            ("instance", f"10.{100 + i % 100}.{100 + i // 100 % 100}.117:8080"),
            ("job", f"svc-{10 + i % 40}"),
            ("le", f"0.{i % 10}"),
            ("method", "GET"),
            ("namespace", f"team-{i % 7}"),
            ("pod", f"svc-{10 + i % 40}-{i * 7919 % 99991:05x}-{i:0{DIGITS}d}"),
            ("service", f"svc-{10 + i % 40}"),
        )
    )
    for i in range(BODY_SERIES)
]
_KEY_BYTES = len(_KEYS[0])
_HEAD_BYTES, _SAMPLE_BYTES = 3, 18  # tag and two bytes of length before the labels; the sample behind them
_ID = _HEAD_BYTES + _KEYS[0].index(b"0" * DIGITS)
_ROW_BYTES = _HEAD_BYTES + _KEY_BYTES + _SAMPLE_BYTES


def noise(n: int) -> F64:
    """Values as gauges have them, full mantissas; one in 10,000 is far off, so that there is something to select."""
    rng = np.random.default_rng(0)
    values: F64 = 100.0 + rng.standard_normal(n)
    values[rng.random(n) < 1e-4] += 20.0
    return values


def keys_of(message: U8) -> list[bytes]:
    """The label sets of a decompressed body."""
    rows = message.reshape(BODY_SERIES, _ROW_BYTES)[:, _HEAD_BYTES : _HEAD_BYTES + _KEY_BYTES].tobytes()
    return [rows[i : i + _KEY_BYTES] for i in range(0, len(rows), _KEY_BYTES)]


class Bodies:
    """Makes bodies one after the other in the same room."""

    def __init__(self) -> None:
        first = encode_block(_KEYS, np.array([TICK_0_MS]), np.zeros((1, BODY_SERIES)))
        raw = np.frombuffer(bytes(cramjam.snappy.decompress_raw(first)), np.uint8)
        self._cells = raw.reshape(BODY_SERIES, _ROW_BYTES).copy()
        self._noise = noise(_POOL + BODY_SERIES)

    def values(self, place: int, tick: int) -> F64:
        """What the series of a body have at a tick."""
        start = (place * BODY_SERIES + tick * 7919) % _POOL
        return self._noise[start : start + BODY_SERIES]

    def body(self, place: int, tick: int) -> bytes:
        """Body number `place` of a scrape, compressed."""
        cells = self._cells
        ids = place * BODY_SERIES + np.arange(BODY_SERIES)
        cells[:, _ID : _ID + DIGITS] = ids[:, None] // 10 ** np.arange(DIGITS - 1, -1, -1) % 10 + ord("0")
        value = _ROW_BYTES - _SAMPLE_BYTES + 3
        cells[:, value : value + 8] = self.values(place, tick).view(np.uint8).reshape(BODY_SERIES, 8)
        septets = (TICK_0_MS + tick * STEP_MS) >> np.arange(0, 42, 7) & 127
        septets[:-1] |= 128
        cells[:, -6:] = septets
        return bytes(cramjam.snappy.compress_raw(cells.data))
