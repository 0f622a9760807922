"""Ten million series every 15 s in one process, from compressed bodies to what is odd: CPU, and memory of the process.

A process of its own receives (`_ten_million_process`), so that neither the making nor the compressing of bodies is in
its CPU time or its memory. Bodies come through a pipe: HTTP is not in it, reading the pipe is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.benchmarks._table import Row, at_most
from tests.benchmarks._ten_million_bodies import STEP_MS, Bodies
from tests.benchmarks._write_bodies import BODY_SERIES

ROOT = Path(__file__).resolve().parents[2]
SERIES, TICKS = 10_000_000, 7
LEARNING = 2  # in the first tick the reader learns the order of the series, in the second its pages are met again


def rows(series: int = SERIES) -> list[Row]:
    """Measure; about four minutes and 1.6 GiB."""
    ticks = _ticks(series)[LEARNING:]
    middle = sorted(ticks, key=lambda tick: tick["cpu_s"])[len(ticks) // 2]
    share = 100e3 / STEP_MS
    ns = 1e9 / series
    return [
        at_most(
            "ten million: one process, 15 s, light bank, everything on", middle["cpu_s"] * share, "% of a core", 25.0
        ),
        Row("ten million: the dearest tick", max(tick["cpu_s"] for tick in ticks) * share, "% of a core"),
        Row("ten million: receiving from a pipe", middle["receive_s"] * ns, "ns/sample"),
        Row("ten million: snappy, scan and scatter", middle["read_s"] * ns, "ns/sample"),
        Row("ten million: scoring and selection", middle["score_s"] * ns, "ns/sample"),
        Row("ten million: told of in a tick", int(middle["told"]), "series"),
        at_most("ten million: resident memory of the process", middle["resident_bytes"] / 2**30, "GiB", 4.0),
        at_most("ten million: its peak, while the index grew", middle["peak_bytes"] / 2**30, "GiB", 4.0),
    ]


def _ticks(series: int) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "tests.benchmarks._ten_million_process", str(series), str(TICKS)]
    bodies, places = Bodies(), range(series // BODY_SERIES)
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
