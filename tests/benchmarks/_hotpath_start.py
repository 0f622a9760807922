"""`aiops run` from the start of the process to taking requests: with nothing compiled, and with kept kernels."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks._table import Row, at_most

GOAL_S = 3.0
PATIENCE_S = 600.0


def rows() -> list[Row]:
    """Measure; compiling takes about two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        cold, told = _start(Path(folder))
        cached, _ = min(_start(Path(folder)) for _ in range(3))
    return [
        Row("start: nothing compiled, CPU until requests are taken", cold, "s"),
        Row("start: lines that tell of compiling", told),
        at_most("start: kernels kept, CPU until requests are taken", cached, "s", GOAL_S),
    ]


def _start(folder: Path) -> tuple[float, int]:
    """Seconds of CPU until the service listens, and how many lines told of kernels."""
    config = folder / "aiops.yaml"
    config.write_text("listen: {port: 0}\n", encoding="utf-8")
    before = _children_s()
    process = subprocess.Popen(
        [sys.executable, "-m", "aiops", "run", "--config", str(config)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels")},
        stderr=subprocess.PIPE,
        text=True,
    )
    told, deadline = 0, time.monotonic() + PATIENCE_S
    assert process.stderr is not None
    for line in process.stderr:
        told += "kernels" in line
        if "listening" in line or time.monotonic() > deadline:
            break
    process.terminate()
    process.wait()
    return _children_s() - before, told


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
