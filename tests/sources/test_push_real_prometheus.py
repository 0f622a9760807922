"""The same samples pushed to us and to a real Prometheus: the recipe's arithmetic here, its query there."""

from __future__ import annotations

import math
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from aiops.demo.encode import HEADERS, encode
from aiops.model import Signal
from aiops.packs._recipe import Matcher, Pack, Recipe, Selector
from aiops.packs.keys import series_key
from aiops.packs.promql import query
from tests.sources._push_wall import T0, Wall, read, series, source_at, values

pytestmark = pytest.mark.service

STEP_S, TICKS = 60, 30


def recipe(name: str, form: str, of: Selector, to: Selector | None = None, **more) -> Recipe:
    signal = Signal(name, "traffic", min_traffic=more.pop("min_traffic", 0.0))
    return Recipe("t", signal, form, of, to, ("service_name", "job"), **more)  # type: ignore[arg-type]


RECIPES = (
    recipe("rate", "rate", Selector("hits_total"), scale=60.0, by=("path",)),
    recipe("ratio", "ratio", Selector("hits_total", (Matcher("code", "=~", "5.."),)), Selector("hits_total")),
    recipe("mean", "mean", Selector("seconds_sum"), Selector("hits_total"), min_traffic=1.0),
    recipe("p90", "quantile", Selector("seconds_bucket"), q=0.9),
    recipe("depth", "gauge", Selector("depth"), agg="max"),
    recipe("average", "gauge", Selector("depth"), agg="avg"),
    recipe("share", "level_ratio", Selector("depth"), Selector("room")),
)


def counter(rng: random.Random, speed: float) -> list[tuple[int, float]]:
    """Scrapes about every 15 s, never on a whole step; a gap now and then and perhaps a reset."""
    rows, at, value = [], T0 - 5 * STEP_S * 1000 + rng.randrange(1, 15_000), 1e6
    resets_at = T0 + rng.randrange(2 * TICKS) * STEP_S * 1000
    while at < T0 + TICKS * STEP_S * 1000:
        rows.append((at + (at % 1000 == 0), value))
        at += rng.randrange(14_000, 16_000) * rng.choice([1] * 20 + [9, 30])
        value += speed * 30 * rng.random()
        if at >= resets_at:
            # Not to 0: 2.x and 3.x disagree about how far a rate that was near 0 before a gap reaches back.
            resets_at, value = math.inf, 1e4
    return rows


def everything(seed: int) -> list[tuple[tuple[tuple[str, str], ...], list[tuple[int, float]]]]:
    rng = random.Random(seed)
    found = []
    for job in ("shop/cart", "shop/db"):
        for path in ("/x", "/y"):
            for code in ("200", "500"):
                found.append((series("hits_total", job=job, path=path, code=code), counter(rng, 1.0)))
                found.append((series("seconds_sum", job=job, path=path, code=code), counter(rng, 0.2)))
            for i, le in enumerate(("0.1", "0.5", "1", "2.5", "+Inf")):
                found.append((series("seconds_bucket", job=job, path=path, le=le), counter(rng, 1.0 + i)))
            found.extend((series(name, job=job, path=path), counter(rng, 9.0)) for name in ("depth", "room"))
    return found


def bodies(rows) -> Iterator[bytes]:
    """One body per ten seconds of samples, as a sender would send them."""
    flat = sorted((t // 10_000, labels, t, v) for labels, pairs in rows for t, v in pairs)
    for slot in sorted({row[0] for row in flat}):
        yield encode([(labels, [(t, v)]) for s, labels, t, v in flat if s == slot])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        "--web.enable-remote-write-receiver",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            _wait_until_ready(client, process)
            yield client
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, "prometheus ended"
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)  # a process is starting; there is no clock to move
    raise AssertionError("prometheus is not ready after 30 s")


def asked(client: httpx.Client) -> dict[tuple[str, int], float]:
    found = {}
    for one in RECIPES:
        form = {"query": query(one, 240.0), "start": T0 / 1000, "end": T0 / 1000 + (TICKS - 1) * STEP_S, "step": STEP_S}
        reply = client.post("/api/v1/query_range", data={k: str(v) for k, v in form.items()})
        assert reply.status_code == 200, reply.text
        for result in reply.json()["data"]["result"]:
            key = str(series_key(one, result["metric"]))
            for at_s, value in result["values"]:
                if not math.isnan(float(value)):
                    found[key, round(at_s - T0 / 1000) // STEP_S] = float(value)
    return found


def test_pushed_samples_give_what_prometheus_gives(prometheus: httpx.Client) -> None:
    rows = everything(11)
    wall = Wall(T0 + (TICKS + 20) * STEP_S * 1000)
    source = source_at(wall, Pack("t", "t", (), RECIPES))
    for body in bodies(rows):
        assert prometheus.post("/api/v1/write", content=body, headers=HEADERS).status_code == 204
        wall.script.append(lambda body=body: source.write(body, HEADERS))
    wall.script += [None, None]
    got = {cell: value for cell, value in values(source, read(source)).items() if 0 <= cell[1] < TICKS}
    wanted = asked(prometheus)
    assert len(wanted) > 300
    assert got.keys() == wanted.keys()
    for cell, value in wanted.items():
        assert got[cell] == pytest.approx(value, rel=1e-9), cell
