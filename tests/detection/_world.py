"""Series, rows and detections for tests of what is said about anomalies."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from aiops.detection.machine import Detection
from aiops.detection.rules import DetectionRules
from aiops.detection.track import TrackRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.05, min_relative=0.2)
TRAFFIC = Signal("requests_rate", "traffic", "1/s", "down", pages=True)
MEMORY = Signal("memory_bytes", "saturation", "bytes", "up")


def table_of(*pairs):
    table = SeriesTable()
    for service, signal in pairs:
        table.add(SeriesKey(signal.name, service), signal)
    return table


def quiet_values(rows, levels, seed=1):
    rng = np.random.default_rng(seed)
    levels = np.array(levels)
    return levels + 0.03 * levels * rng.standard_normal((rows, len(levels)))


def block(values, first_row=0):
    times = START_MS + STEP_MS * np.arange(first_row, first_row + len(values))
    return Block(times, np.arange(values.shape[1], dtype=np.int32), np.asarray(values, float))


def bare(found):
    """Without the names of detectors, which speak of the end of a block."""
    return [
        replace(a, detectors=(), explanation=re.sub("detectors that spoke: [^;]*; ", "", a.explanation)) for a in found
    ]


def detection_of(table, **rules):
    return Detection(table, STEP_MS / 1000, DetectionRules(track=TrackRules(**rules)))


ROWS = 3_000
