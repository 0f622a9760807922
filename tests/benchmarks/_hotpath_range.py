"""A range query from the answer's bytes on the socket to arrays, against the ways people have.

All ask the same server for the same answer, by turns, and only the asking process' own time counts. `json + numpy` is
what one writes by hand; `prometheus-api-client` is its own range query and its own data frame.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import requests
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

from aiops.sources._prometheus_connection import Connection
from aiops.sources._range import Matrix, RangeReader
from tests.benchmarks._served import served
from tests.benchmarks._table import Row, at_most

SERIES, ROWS, STEP_S = 100, 1000, 15
START_S = 1_700_000_010
ROUNDS = 7
GOAL_NS = 200.0  # of the issue this measures; json + numpy needed 530 to 840 where it was set


def rows() -> list[Row]:
    """Own time per sample of each way, best of the rounds."""
    with tempfile.TemporaryDirectory() as folder, served(_answer(), Path(folder)) as url, asyncio.Runner() as runner:
        client = httpx.AsyncClient(timeout=60)
        ways = _ways(url, runner, client)
        for ask in ways.values():
            ask()
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, ask in ways.items():
                began = time.process_time()
                values = ask()
                best[name] = min(best[name], time.process_time() - began)
                assert values.size == SERIES * ROWS
        runner.run(client.aclose())
    ns = {name: seconds / (SERIES * ROWS) * 1e9 for name, seconds in best.items()}
    ours = ns.pop("ours")
    found = [at_most("range query to arrays, HTTP included", ours, "ns/sample", GOAL_NS)]
    for name, other in ns.items():
        found.append(Row(f"range query: {name}", other, "ns/sample"))
        found.append(Row(f"range query: {name} / ours", other / ours, "x"))
    return found


def _ways(url: str, runner: asyncio.Runner, client: httpx.AsyncClient) -> dict[str, Callable[[], np.ndarray]]:
    start, end = START_S, START_S + (ROWS - 1) * STEP_S
    connection = Connection(url, compress=False)
    form = {"query": "m", "start": start, "end": end, "step": STEP_S}

    reader = RangeReader(connection, lambda: client)

    def ours() -> np.ndarray:
        (found,) = runner.run(reader.read(["m"], start * 1000, end * 1000, STEP_S))
        assert isinstance(found, Matrix), found
        return found.values

    def by_hand() -> np.ndarray:
        answer = requests.post(f"{url}/api/v1/query_range", data=form, timeout=60)
        series = json.loads(answer.content)["data"]["result"]
        return np.array([[float(value) for _, value in one["values"]] for one in series])

    peer = PrometheusConnect(url)

    def by_peer() -> np.ndarray:
        times = (datetime.fromtimestamp(t, UTC) for t in (start, end))
        frame = MetricRangeDataFrame(peer.custom_query_range("m", *times, str(STEP_S)))
        return frame["value"].to_numpy(np.float64)

    return {
        "ours": ours,
        "json + numpy": by_hand,
        "prometheus-api-client": by_peer,
    }


def _answer() -> bytes:
    rng = np.random.default_rng(7)
    result = []
    for i in range(SERIES):
        # Two thirds are quotients with all their digits, one third counts: what recipes give.
        numbers = rng.lognormal(0, 1, ROWS).tolist() if i % 3 else rng.integers(0, 10**6, ROWS).tolist()
        values = [[START_S + k * STEP_S, repr(value)] for k, value in enumerate(numbers)]
        result.append({"metric": {"service": f"service-{i}", "instance": f"10.0.0.{i}:9100"}, "values": values})
    return json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": result}}, separators=(",", ":")
    ).encode()
