"""Figures of the main job: demo, live faults, replay speed, kill -9, and the test suite itself.

`python tests/benchmarks/bench_core.py [--only PART ...]`, parts being demo, clone, live, replay, kill, tests; without
`--only` all but clone, which downloads every dependency. Rows go to build/bench/core.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aiops.model import Block, SeriesKey, Signal
from aiops.wire import ReplayBlock, write_replay
from tests.benchmarks._table import Row, at_least, at_most, publish
from tests.services._kill_run import KillRun
from tests.services._live_run import FAULTS_OF, GROUP_WAIT_S, SCRAPE_S, LiveRun, Outcome

ROOT = Path(__file__).resolve().parents[2]
DEMO_GOAL_S = 120.0  # "within two minutes of the start"
TEST_GOAL_S, COVERAGE_GOAL = 300.0, 90.0
KILLS = 50


def demo() -> list[Row]:
    """The demo with what is installed here, from process start to the printed incident."""
    seconds, incident = _demo_incident([sys.executable, "-m", "aiops"], ROOT)
    suspect = incident["suspects"][0]
    print(f"{incident['title']}\n{suspect['reason']}")
    return [
        at_most("demo, installed: start to incident printed", seconds, "s", DEMO_GOAL_S),
        Row("demo: first suspect", suspect["service"], "", "payments", suspect["service"] == "payments"),
        Row("demo: kind of cause", suspect["kind"], "", "deploy", suspect["kind"] == "deploy"),
    ]


def _demo_incident(command: list[str], folder: Path) -> tuple[float, dict]:
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "demo", "--once", "--format", "json", "--port", "0"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"demo ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - began, json.loads(done.stdout)


def clone() -> list[Row]:
    """A clean clone, installed with uv and with pip, then the demo."""
    rows = []
    for tool in ("uv", "pip"):
        if tool == "uv" and shutil.which("uv") is None:
            rows.append(Row("clean clone to demo incident, uv", "uv is not installed here"))
            continue
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
            # An empty UV on the command line hides uv from the Makefile.
            subprocess.run(
                ["make", "--silent", ".venv/.run", *(["UV="] if tool == "pip" else [])], cwd=folder, check=True
            )
            installed = time.perf_counter() - began
            seconds, _ = _demo_incident([f"{folder}/.venv/bin/aiops"], Path(folder))
            rows += [
                Row(f"clean clone, install with {tool}", installed, "s"),
                at_most(f"clean clone to demo incident, {tool}", installed + seconds, "s", DEMO_GOAL_S),
            ]
    return rows


def live() -> list[Row]:
    """Five faults in the real shop under a real Prometheus and Alertmanager, each in a shop of its own."""
    rows = []
    for fault, service in FAULTS_OF.items():
        with tempfile.TemporaryDirectory() as folder, LiveRun(Path(folder)) as run:
            seen = run.play(service, fault)
        rows += _live_rows(f"live, {fault} of {service}", seen)
    return rows


def _live_rows(name: str, seen: Outcome) -> list[Row]:
    goal_s = 3 * SCRAPE_S + GROUP_WAIT_S
    return [
        at_most(f"{name}: fault to incident", seen.incident_s, "s", goal_s),
        at_most(f"{name}: fault to notification", seen.notified_s, "s", goal_s),
        Row(f"{name}: fault to alert joined", seen.alert_s, "s"),
        Row(f"{name}: end of fault to resolved", seen.resolved_s, "s"),
        Row(f"{name}: incidents", seen.incidents, "", "1", seen.incidents == 1),
        Row(f"{name}: rank of the true cause", seen.rank, "", "1", seen.rank == 1),
    ]


def replay(days: float = 3.0, series: int = 1000, step_s: int = 15) -> list[Row]:
    """`aiops replay` on a file of made-up history: what our own code takes on one core, and all of it by the clock."""
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short", Path(folder) / "long"
        write_replay(short, _made_up(0.1, series, step_s), step_s=step_s)
        write_replay(long, _made_up(days, series, step_s), step_s=step_s)
        _replayed(short)  # compiles what was never compiled here
        start_s, _ = _replayed(short)
        wall_s, done = _replayed(long)
    thousands = series / 1000
    return [
        Row("replay: samples per second of one core", done["samples"] / done["cpu_seconds"], "samples/s"),
        at_least(
            "replay: days of 1,000 series at 15 s per minute", days * thousands / done["cpu_seconds"] * 60, "days", 30
        ),
        Row("replay: the same with reading the file", days * thousands / (wall_s - start_s) * 60, "days"),
        Row("replay: incidents on plain noise", len(done["incidents"])),
    ]


def _made_up(days: float, series: int, step_s: int) -> Iterator[ReplayBlock]:
    """Latencies with a daily season and noise, an hour a block."""
    rng = np.random.default_rng(1)
    signal = Signal("latency_p95", "latency", "s", "up", pages=True, min_absolute=0.02, min_relative=0.3)
    keys = tuple(SeriesKey("latency_p95", f"service-{i}") for i in range(series))
    ids, rows = np.arange(series, dtype=np.int32), 3600 // step_s
    for hour in range(round(days * 24)):
        times = 1_790_000_000_000 + 1000 * step_s * np.arange(hour * rows, (hour + 1) * rows, dtype=np.int64)
        day = 2 * np.pi * times[:, None] / 86_400_000 + np.arange(series)
        values = 0.2 * np.exp(0.3 * np.sin(day) + 0.1 * rng.standard_normal((rows, series)))
        yield ReplayBlock(Block(times, ids, values), keys, (signal,) * series)


def _replayed(path: Path) -> tuple[float, dict]:
    command = [sys.executable, "-m", "aiops", "replay", "--file", str(path), "--format", "json"]
    if shutil.which("taskset"):
        command = ["taskset", "--cpu-list", "0", *command]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def kill() -> list[Row]:
    """kill -9 at 50 random moments."""
    with tempfile.TemporaryDirectory() as folder, KillRun(Path(folder)) as run:
        run.kill(KILLS, seed=2024)
        count = run.finish()
    return [
        Row(f"kill -9 x {KILLS}: alerts sent", count.alerts),
        Row(f"kill -9 x {KILLS}: notifications lost", count.lost, "", "0", count.lost == 0),
        Row(f"kill -9 x {KILLS}: repeated with the same key", count.repeated),
        Row(f"kill -9 x {KILLS}: told under two keys", count.keys_twice, "", "0", count.keys_twice == 0),
    ]


def tests() -> list[Row]:
    """Wall time and coverage of the last `make test`, from build/."""
    report, coverage = ROOT / "build" / "tests.xml", ROOT / "build" / "coverage.json"
    if not (report.exists() and coverage.exists()):
        return [Row("make test", "run it first: build/tests.xml and build/coverage.json are missing")]
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 our own file
    share = json.loads(coverage.read_text())["totals"]["percent_covered"]
    return [
        at_most("make test: wall time", float(suite.attrib["time"]), "s", TEST_GOAL_S),
        Row("make test: tests", int(suite.attrib["tests"])),
        at_least("make test: branch coverage", share, "%", COVERAGE_GOAL),
    ]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "demo": demo,
    "clone": clone,
    "live": live,
    "replay": replay,
    "kill": kill,
    "tests": tests,
}


def main() -> None:
    """Run the chosen parts one after the other and publish after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[p for p in PARTS if p != "clone"])
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    for part in parser.parse_args().only:
        print(f"\n{part}", flush=True)
        publish("core", PARTS[part]())


if __name__ == "__main__":
    main()
