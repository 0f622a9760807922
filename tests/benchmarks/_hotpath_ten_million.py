"""Ten million series every 15 s in one process, from compressed bodies to what is odd: CPU, and memory of the process.

A process of its own receives (`_ten_million_process`), so that neither the making nor the compressing of bodies is in
its CPU time or its memory. Bodies come through a pipe: HTTP is not in it, reading the pipe is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks._table import Row, at_most
from tests.benchmarks._ten_million_bodies import STEP_MS, Bodies
from tests.benchmarks._write_bodies import BODY_SERIES

ROOT = Path(__file__).resolve().parents[2]
TICKS = 7
LEARNING = 2  # in the first tick the reader learns the order of the series, in the second its pages are met again


@dataclass(frozen=True)
class Size:
    """How many series in which bank, and what they may take."""

    name: str
    series: int
    bank: str
    most_percent: float
    most_gib: float


TEN_MILLION = Size("ten million", 10_000_000, "light", 25.0, 4.0)


def rows() -> list[Row]:
    """Measure; about four minutes and 1.6 GiB."""
    return measured(TEN_MILLION)


def measured(size: Size) -> list[Row]:
    """Measure one size."""
    name, ticks = size.name, _ticks(size)[LEARNING:]
    middle = sorted(ticks, key=lambda tick: tick["cpu_s"])[len(ticks) // 2]
    share, ns = 100e3 / STEP_MS, 1e9 / size.series
    whole = f"{name}: one process, 15 s, {size.bank} bank, everything on"
    return [
        at_most(whole, middle["cpu_s"] * share, "% of a core", size.most_percent),
        Row(f"{name}: the dearest tick", max(tick["cpu_s"] for tick in ticks) * share, "% of a core"),
        Row(f"{name}: receiving from a pipe", middle["receive_s"] * ns, "ns/sample"),
        Row(f"{name}: snappy, scan and scatter", middle["read_s"] * ns, "ns/sample"),
        Row(f"{name}: scoring and selection", middle["score_s"] * ns, "ns/sample"),
        Row(f"{name}: told of in a tick", int(middle["told"]), "series"),
        at_most(f"{name}: resident memory of the process", middle["resident_bytes"] / 2**30, "GiB", size.most_gib),
        at_most(f"{name}: its peak, while the index grew", middle["peak_bytes"] / 2**30, "GiB", size.most_gib),
    ]


def _ticks(size: Size) -> list[dict[str, float]]:
    module = "tests.benchmarks._ten_million_process"
    command = [sys.executable, "-m", module, str(size.series), str(TICKS), size.bank]
    bodies, places = Bodies(), range(size.series // BODY_SERIES)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = list[dict[str, float]]()
        for tick in (-1, *range(TICKS)):
            for place in places:
                body = bodies.body(place, tick)
                process.stdin.write(len(body).to_bytes(4, "little") + body)
            process.stdin.flush()
            if tick >= 0:
                found.append(json.loads(process.stdout.readline()))
                sent = sum(
                    float(bodies.values(place, tick).astype(np.float32).sum(dtype=np.float64)) for place in places
                )
                assert abs(found[-1]["values"] - sent) < 1e-6 * sent, (found[-1]["values"], sent)
        process.stdin.close()
    return found
