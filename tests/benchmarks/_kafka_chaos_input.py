"""The world's samples on their way: senders that repeat until they are answered, and what must have come of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import numpy as np

from aiops.demo.encode import HEADERS, encode_block
from aiops.kafka.partition import PulledRows
from aiops.model import F64, I64, SeriesKey
from aiops.packs.load import built_in
from aiops.pipeline import Shard
from aiops.runners._shard_bytes import restore_shard
from aiops.series import SeriesTable
from aiops.sources.push import PushSettings, PushSource
from aiops.wire import decode, part_of, unpack_arrays
from tests.benchmarks._kafka_chaos_world import STEP_MS, Samples, World

TIMEOUT_S = 5.0  # of a request; Prometheus' default is 30 s, which is more than our lateness
LONGEST_WAIT_S = 5.0  # Prometheus' longest back-off


@dataclass
class Sender:
    """Sends bodies in order, each until it is taken, as Prometheus does; a load balancer turns to who answers.

    Attributes
    ----------
    waits : answers that were no answer, by what they were
    """

    urls: Sequence[str]
    columns: slice
    keys: Sequence[bytes]
    waits: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    _at: int = 0

    def send(self, client: httpx.Client, times: I64, values: F64) -> None:
        """Send one body; returns when it was taken."""
        body = encode_block(self.keys[self.columns], times, values[:, self.columns])
        wait_s = 0.05
        while True:
            asked_s = self._tried(client, body)
            if asked_s is None:
                self.sent += len(times) * (self.columns.stop - self.columns.start)
                return
            time.sleep(max(wait_s, min(asked_s, LONGEST_WAIT_S)))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            self._at += 1

    def _tried(self, client: httpx.Client, body: bytes) -> float | None:
        """None when it was taken, or how long to wait."""
        try:
            answer = client.post(self.urls[self._at % len(self.urls)] + "/api/v1/write", content=body, headers=HEADERS)
        except httpx.TransportError as error:
            self.waits[type(error).__name__] += 1
            return 0.0
        if answer.is_success:
            return None
        self.waits[str(answer.status_code)] += 1
        if answer.status_code != 429 and answer.status_code < 500:
            raise AssertionError(f"refused for good: {answer.status_code} {answer.text[:300]}")
        return float(answer.headers.get("Retry-After", "0"))


class Feed:
    """Sends a world: its past at full speed by one sender, its present as it passes by all, until told to stop.

    Senders whose times differ by more than `push.lateness_s` would be late to each other, so the past is not shared.

    Parameters
    ----------
    targets : for each sender the addresses it may turn to; senders share the series
    """

    def __init__(self, world: World, targets: Sequence[Sequence[str]]) -> None:
        n = len(world.keys)
        cuts = [round(n * i / len(targets)) for i in range(len(targets) + 1)]
        places = [slice(a, b) for a, b in pairwise(cuts)]
        self._past = Sender(targets[0], slice(0, n), world.keys)
        self.senders = [Sender(urls, place, world.keys) for urls, place in zip(targets, places, strict=True)]
        self.stop = threading.Event()
        self.faults: list[BaseException] = []
        self._world = world
        self._threads = [threading.Thread(target=self._run, args=(sender,)) for sender in self.senders]

    def send_past(self) -> None:
        """Send all before the present."""
        samples = Samples(self._world)
        with httpx.Client(timeout=60.0) as client:
            while (left := (self._world.live_ms - samples.next_ms) // STEP_MS) > 0:
                self._past.send(client, *samples.read(min(left, 100)))

    def start(self) -> None:
        """Begin with the present."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until the senders have ended after `stop`."""
        for thread in self._threads:
            thread.join()

    def _run(self, sender: Sender) -> None:
        samples = Samples(self._world)
        samples.read((self._world.live_ms - self._world.start_ms) // STEP_MS)
        try:
            with httpx.Client(timeout=TIMEOUT_S) as client:
                while not self.stop.is_set():
                    if samples.next_ms > time.time() * 1000:
                        time.sleep(0.05)
                        continue
                    # After an outage each body still holds one step, as a scrape would.
                    sender.send(client, *samples.read(1))
        except BaseException as fault:  # noqa: BLE001 - told by whoever judges the run
            self.faults.append(fault)


Rows = dict[SeriesKey, dict[int, float]]
"""Value of each watched series at each tick, unix ms."""


def expected_rows(world: World, push: PushSettings, after_ms: int, until_ms: int) -> Rows:
    """What an undisturbed reader of the same samples has at the ticks after `after_ms` up to `until_ms`."""
    return asyncio.run(_expected(world, push, after_ms, until_ms))


async def _expected(world: World, push: PushSettings, after_ms: int, until_ms: int) -> Rows:
    ahead_s = until_ms / 1000 + 3600 - time.monotonic()
    packs = [built_in()[name] for name in ("otel_http", "servicegraph")]
    source = PushSource(packs, SeriesTable(100_000), push, clock=lambda: ahead_s + time.monotonic())
    samples = Samples(world)
    found: Rows = {}

    async def read() -> None:
        async for batch in source.read(None):
            for block in batch.blocks:
                for column, number in enumerate(block.ids.tolist()):
                    rows = found.setdefault(source.table.key(number), {})
                    inside = zip(block.times.tolist(), block.values[:, column].tolist(), strict=True)
                    rows.update({at: value for at, value in inside if after_ms < at <= until_ms})

    reader = asyncio.create_task(read())
    end_ms = until_ms + push.lateness_ms + 2 * STEP_MS
    while samples.next_ms <= end_ms:
        times, values = samples.read(50)
        if times[-1] > after_ms - push.window_ms - 2 * STEP_MS * 60:
            source.write(encode_block(world.keys, times, values), HEADERS)
            await asyncio.sleep(0)
    while (source.health.closed_ms or 0) < until_ms:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    return found


def kept_rows(snapshots: Sequence[bytes]) -> Rows:
    """Recent rows of all series in snapshots of partitions."""
    found: Rows = {}
    for data in snapshots:
        arrays = unpack_arrays(data)
        for i, (name, one_s, _) in enumerate(decode(arrays["sources"].tobytes(), list[tuple[str, float, int]])):
            shard = _shard(name, one_s, part_of(arrays, str(i)))
            times, values = shard.history.window(-(2**62), 2**62)
            for number, (key, _signal) in enumerate(shard.source.table.items()):
                if number < values.shape[1]:
                    found.setdefault(key, {}).update(zip(times.tolist(), values[:, number].tolist(), strict=True))
    return found


def _shard(name: str, step_s: float, arrays: dict[str, np.ndarray]) -> Shard:
    shard = Shard(PulledRows(name, step_s, SeriesTable(100_000)))
    restore_shard(shard, arrays)
    return shard


@dataclass(frozen=True, slots=True)
class Compared:
    """How rows that were kept differ from those that should be there."""

    rows: int
    missing: int
    other: int
    first: str = ""


def compared(wanted: Rows, kept: Rows) -> Compared:
    """Compare up to the last tick that every series of `kept` has; floats to one part in ten thousand (kept as f32)."""
    rows = missing = other = 0
    first = ""
    for key, values in sorted(wanted.items(), key=lambda one: repr(one[0])):
        have = kept.get(key, {})
        last_ms = max(have, default=2**62)
        for at_ms, value in sorted(values.items()):
            if at_ms > last_ms or np.isnan(value):
                continue
            rows += 1
            got = have.get(at_ms, float("nan"))
            is_missing = bool(np.isnan(got))
            is_other = not is_missing and abs(got - value) > 1e-4 * max(abs(value), 1e-6)
            missing, other = missing + is_missing, other + is_other
            if (is_missing or is_other) and not first:
                first = f"{key.service} {key.signal} at {at_ms}: {got} for {value}"
    return Compared(rows, missing, other, first)
