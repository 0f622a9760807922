"""Compiling the kernels of the push path before the first body comes."""

from __future__ import annotations

import cramjam
import numpy as np

from aiops.model import Signal
from aiops.packs._recipe import Pack, Recipe, Selector
from aiops.series import SeriesTable
from aiops.sources._pushed_samples import key_of
from aiops.sources._pushed_series import RawSeries, SeriesLimits
from aiops.sources._pushed_signals import Signals
from aiops.sources._pushed_ticks import Ticks
from aiops.sources._pushed_waiting import Span, Waiting
from aiops.sources._pushed_watch import Watchlist
from aiops.sources._write_headers import V1_MESSAGE, V2_MESSAGE
from aiops.sources.otlp import OtlpReader
from aiops.sources.remote_write import WriteReader

_SIGNAL = Signal("compiled", "latency")
_PACK = Pack("", "", (), (Recipe("", _SIGNAL, "quantile", Selector("b")), Recipe("", _SIGNAL, "gauge", Selector("g"))))

_OTLP = (
    b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","exponentialHistogram":{"aggregationTemporality":1,'
    b'"dataPoints":[{"timeUnixNano":"1","scale":1,"count":"1","positive":{"bucketCounts":["1"]}}]}}]}]}]}'
)


def compile_kernels() -> None:
    """Send a body of nothing and a sample of everything through, so that no request waits for a compiler.

    Takes some seconds on the first start of an installation, tenths of a second when the kernels are cached.
    """
    OtlpReader(lambda _samples: None).take(_OTLP, {"content-type": "application/json"})
    watch = Watchlist([_PACK])
    raws, signals = RawSeries(watch, SeriesLimits()), Signals(watch.recipes, SeriesTable())
    reader, nothing = WriteReader(raws), bytes(cramjam.snappy.compress_raw(b""))
    for message in (V1_MESSAGE, V2_MESSAGE):
        reader.read(nothing, {"content-type": f"application/x-protobuf;proto={message}"})
    labels = [("b", "0.5"), ("b", "+Inf"), ("g", "1")]
    keys = [key_of([("__name__", name), ("le", le), ("service", "s")]) for name, le in labels]
    numbers = raws.resolve(keys)
    raws.index.compile_kernels()
    waiting = Waiting()
    times, values = np.full(len(numbers), 60_000), np.zeros(len(numbers))
    waiting.add(numbers, times, values, Span(0, 0, 60_000), raws.last_seen_ms, raws.ended_ms)
    signals.add(raws.fresh())
    ticks = Ticks(signals, step_ms=60_000, window_ms=120_000, lookback_ms=60_000)
    ticks.close(np.array([60_000]), raws.width, *waiting.take(60_000))
