"""Topics of others as input: each record as if it had been pushed to a gateway.

Records carry no order across partitions, so samples of a series may come late: detection reorders them by their times
within `push.lateness_s`. A record that cannot be read goes to the dead letters with the reason; the rest goes on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import cramjam
import msgspec
import numpy as np

from aiops.config.kafka import RecordFormat
from aiops.errors import InputError, Overloaded
from aiops.events import posted
from aiops.kafka.records import Bury, Record
from aiops.model import Event
from aiops.sources._pushed_samples import Samples, checked_labels, key_of

log = logging.getLogger(__name__)

AT_ONCE = 1_000  # records under way: chosen, so that single samples share frames
AGAIN_S = 1.0
_PLAIN_MESSAGE = 0x0A  # first byte of a WriteRequest that is not compressed: its first series


class _Adapted(msgspec.Struct):
    """A sample of prometheus-kafka-adapter: the value is text, milliseconds are cut off."""

    timestamp: str
    value: str
    name: str
    labels: dict[str, str]


class Taker:
    """What a record can be given to."""

    def __init__(
        self,
        *,
        samples: Callable[[Samples], Awaitable[object]],
        write: Callable[[bytes], Awaitable[object]],
        otlp: Callable[[bytes], Awaitable[object]],
        events: Callable[[list[Event]], Awaitable[object]],
    ) -> None:
        self.samples, self.write, self.otlp, self.events = samples, write, otlp, events


class InputReader:
    """Reads the records of one topic.

    Parameters
    ----------
    clock : unix seconds

    Attributes
    ----------
    taken, dead : records so far
    """

    def __init__(self, kind: RecordFormat, taker: Taker, bury: Bury, clock: Callable[[], float]) -> None:
        self.taken = self.dead = 0
        self._kind, self._taker, self._bury, self._clock = kind, taker, bury, clock
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, record: Record) -> None:
        """Begin with a record; it is done once Kafka has what came of it. Waits while many are under way."""
        await self._room.acquire()
        task = asyncio.create_task(self._work(record))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Leave what is under way: it was not done and comes again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def _work(self, record: Record) -> None:
        while True:
            try:
                await self._given(record)
            except Overloaded as error:
                log.warning("record waits topic=%s reason=%s", record.topic, error)
                await asyncio.sleep(AGAIN_S)
                continue
            record.done()
            return

    async def _given(self, record: Record) -> None:
        try:
            match self._kind:
                case "prometheus_json":
                    await self._taker.samples(adapted_samples(record.data))
                case "remote_write":
                    await self._taker.write(write_body(record.data))
                case "otlp_proto":
                    await self._taker.otlp(record.data)
                case "cloudevents":
                    await self._taker.events(_events(record, round(self._clock() * 1000)))
        except InputError as error:
            await self._bury(record, str(error))
            self.dead += 1
        else:
            self.taken += 1


def adapted_samples(data: bytes) -> Samples:
    """The sample of a JSON record of prometheus-kafka-adapter, or the samples of a list of such.

    >>> record = b'{"timestamp": "1970-01-01T00:00:05Z", "value": "NaN", "name": "up", "labels": {"__name__": "up"}}'
    >>> samples = adapted_samples(record)
    >>> samples.times.tolist(), samples.values.tolist(), samples.keys == [key_of([("__name__", "up")])]
    ([5000], [nan], True)

    Raises
    ------
    InputError : it is no such record
    """
    try:
        content = msgspec.json.decode(data, type=list[_Adapted] | _Adapted)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"record: {error}") from error
    several = content if isinstance(content, list) else [content]
    keys = [key_of(checked_labels(_labels(one))) for one in several]
    times = np.array([_unix_ms(one.timestamp) for one in several], np.int64)
    values = np.array([_value(one.value) for one in several], np.float64)
    numbers = np.arange(len(several), dtype=np.int32)
    return Samples(keys, numbers, times, values, np.zeros(len(several), np.bool_))


def write_body(data: bytes) -> bytes:
    """The body of a remote_write 1.0 request from a record that holds it compressed or not."""
    is_plain = data[:1] == bytes((_PLAIN_MESSAGE,))
    return bytes(cramjam.snappy.compress_raw(data)) if is_plain else data


def _labels(one: _Adapted) -> tuple[tuple[str, str], ...]:
    named = {"__name__": one.name} | {name: value for name, value in one.labels.items() if value}
    return tuple(sorted(named.items()))


def _unix_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"record: timestamp must be RFC 3339, got {text[:40]!r}") from error
    if moment.tzinfo is None:
        raise InputError(f"record: timestamp must name its offset from UTC, got {text[:40]!r}")
    return round(moment.timestamp() * 1000)


def _value(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"record: value must be a number as text, got {text[:40]!r}") from error
    return value if math.isfinite(value) else math.nan


def _events(record: Record, now_ms: int) -> list[Event]:
    return list(posted.read(record.data, _http_headers(record.headers), now_ms).events)


def _http_headers(headers: Mapping[str, bytes]) -> dict[str, str]:
    """Headers of the Kafka binding of CloudEvents as those of its HTTP binding."""
    named = {name.lower(): value.decode("utf-8", "replace") for name, value in headers.items()}
    return {"ce-" + name[3:] if name.startswith("ce_") else name: value for name, value in named.items()}
