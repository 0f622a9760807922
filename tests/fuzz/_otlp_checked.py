"""One OTLP body read twice, with everything checked that must hold whatever it says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aiops.errors import InputError, Overloaded
from aiops.sources._pushed_samples import Samples, WriteLimits, labels_of
from aiops.sources.otlp import OtlpReader

LIMITS = WriteLimits(decompressed_bytes=1 << 20, series_per_body=2000, samples_per_body=20_000)


def checked(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise InputError for a body that is refused, AssertionError for one that is read wrongly."""
    got = list[Samples]()
    failing = [False]

    def offer(samples: Samples) -> None:
        if failing[0]:
            raise Overloaded("full")
        got.append(samples)

    reader = OtlpReader(offer, LIMITS, max_names_bytes=1 << 20)
    try:
        reader.take(body, headers, closed_ms=0)
    except InputError:
        assert not got
        raise
    state = reader._slots
    before = [state.starts.copy(), state.lasts.copy(), state.totals.copy()]
    failing[0] = True
    try:
        reader.take(body, headers, closed_ms=0)
    except Overloaded:
        after = [state.starts, state.lasts, state.totals]
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))
    (samples,) = got
    n = len(samples.times)
    assert n == len(samples.values) == len(samples.series) == len(samples.stale)
    assert not n or 0 <= samples.series.min() <= samples.series.max() < len(samples.keys)
    assert not np.isinf(samples.values).any()
    for key in samples.keys:
        labels_of(key, LIMITS)
