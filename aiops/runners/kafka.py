"""The roles of the service as Faust agents; the only file that imports faust.

Faust reads the topics, shares their partitions out among the workers of a role and keeps the offsets. What it must not
do is decide when a message is done: that is when its effect is in the store. So no agent acknowledges by itself; each
message carries its own `done`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import faust
from faust.types import TP, EventT

from aiops.errors import Overloaded, StoreError, Unavailable
from aiops.kafka.records import Record
from aiops.runners._tasks import cancelled

log = logging.getLogger(__name__)

Take = Callable[[Record], Awaitable[None]]
LOOK_S = 1.0
AGAIN_S = 1.0  # chosen
LEAVE_S = 5.0  # chosen: it takes a second, and all of an end must fit into Kubernetes' 30 s


@dataclass(frozen=True, slots=True)
class Connection:
    """How Faust is to reach Kafka.

    Parameters
    ----------
    bootstrap : host:port of brokers, separated by commas
    session_timeout_s : a worker that is silent for so long has its partitions taken away
    security : arguments of aiokafka's clients for TLS and SASL
    """

    bootstrap: str
    session_timeout_s: float = 10.0
    security: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """One topic a role reads.

    Parameters
    ----------
    take : called with each message, one after the other within a partition; `StoreError` and `Overloaded` mean again
    assigned, revoked : told of the partitions that come and go
    """

    topic: str
    take: Take
    assigned: Callable[[Collection[int]], Awaitable[None]] | None = None
    revoked: Callable[[Collection[int]], Awaitable[None]] | None = None


class Role:
    """One Faust app: a consumer group with an agent for each topic.

    Parameters
    ----------
    name : of the group; all workers of a role have the same
    again_s : wait before a message whose store or Kafka was away is taken again
    from_now : a group that is new begins with what comes from now on, not with the beginning
    leave_s : how long to wait for the group when leaving it

    Attributes
    ----------
    rebalances : how often partitions were shared out anew
    life : changes whenever partitions are taken away, for a moment or for good
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        *readings: Reading,
        from_now: bool = False,
        again_s: float = AGAIN_S,
        leave_s: float = LEAVE_S,
    ) -> None:
        self.name = name
        self.rebalances = self.life = 0
        self._folder = tempfile.mkdtemp(prefix="aiops-faust-")
        self._readings, self._again_s, self._leave_s = readings, again_s, leave_s
        self._app = _app(name, connection, self._folder, from_now=from_now)
        for reading in readings:
            self._add(reading)
        self._app.on_partitions_assigned.connect(self._assigned)
        self._app.on_partitions_revoked.connect(self._revoked)

    async def start(self) -> None:
        """Join the group and begin to read."""
        self._app.finalize()
        await self._app.start()

    async def watched(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set.

        Raises
        ------
        Unavailable : it reads no more although nobody has stopped it; this worker is of no use any more
        """
        while not stop.is_set():
            if self._app.crashed:
                reason = self._app.crash_reason
                raise Unavailable(f"the consumers of {self.name} have failed: {reason!r}") from reason
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stop.wait()

    async def stop(self) -> None:
        """Commit what is done and leave the group; without a goodbye, if that does not come to an end."""
        leaving = asyncio.create_task(self._app.stop())
        # aiokafka's consumer may die while it closes, if a broker goes just then, and Faust waits for it for ever.
        done, _ = await asyncio.wait([leaving], timeout=self._leave_s)
        if not done:
            log.warning("left group=%s without a goodbye: its partitions move when the session has run out", self.name)
        await cancelled([leaving], again_s=1.0)
        for one in done:
            one.result()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, reading: Reading) -> None:
        topic = self._app.topic(reading.topic, key_serializer="raw", value_serializer="raw")

        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._taken(reading, event)

        self._app.agent(topic, name=f"{self.name}.{reading.topic}", isolated_partitions=True)(agent)

    async def _assigned(self, *told: Any, **_more: Any) -> None:
        tps: set[TP] = told[-1]
        self.rebalances += 1
        for reading in self._readings:
            if reading.assigned is not None:
                await reading.assigned(_of(reading, tps))

    async def _revoked(self, *told: Any, **_more: Any) -> None:
        tps: set[TP] = told[-1]
        self.life += 1
        for reading in self._readings:
            if reading.revoked is not None and (gone := _of(reading, tps)):
                await reading.revoked(gone)

    async def _taken(self, reading: Reading, event: EventT[bytes]) -> None:
        """Take a message, again and again while the store is away: what is behind it must wait.

        When partitions are shared out anew, what is not done is read again from before it, even if the partition stays
        here. Were it taken now, it would come before those.
        """
        message, life = event.message, self.life
        data, message.value = message.value or b"", None  # only its offset is kept until it is done
        time_ms, headers = round(message.timestamp * 1000), dict(message.headers or {})
        record = Record(reading.topic, message.partition, message.offset, time_ms, data, event.ack, headers)
        while self.life == life:
            try:
                await reading.take(record)
            except (StoreError, Overloaded) as error:
                log.warning("message waits topic=%s offset=%d reason=%s", reading.topic, record.offset, error)
                await asyncio.sleep(self._again_s)
            else:
                return


def _of(reading: Reading, tps: set[TP]) -> list[int]:
    return sorted(tp.partition for tp in tps if tp.topic == reading.topic)


def _app(name: str, connection: Connection, folder: str, *, from_now: bool) -> faust.App:
    return faust.App(
        name,
        broker=[f"kafka://{broker.strip()}" for broker in connection.bootstrap.split(",")],
        broker_credentials=_credentials(connection.security),
        broker_session_timeout=connection.session_timeout_s,
        broker_heartbeat_interval=connection.session_timeout_s / 5,
        broker_request_timeout=max(60.0, 2 * connection.session_timeout_s),
        broker_rebalance_timeout=max(20.0, 2 * connection.session_timeout_s),
        broker_commit_interval=1.0,
        broker_max_poll_records=200,
        consumer_auto_offset_reset="latest" if from_now else "earliest",
        consumer_max_fetch_size=16 * 2**20,
        stream_buffer_maxsize=64,
        # Messages are held until they are saved: waiting for that would keep a rebalance from ending.
        stream_wait_empty=False,
        store="memory://",
        datadir=folder,
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        worker_redirect_stdouts=False,
    )


def _credentials(security: Mapping[str, Any]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The same in Faust's words."""
    context = security.get("ssl_context")
    if "sasl_mechanism" in security:
        return faust.SASLCredentials(
            username=security["sasl_plain_username"],
            password=security["sasl_plain_password"],
            ssl_context=context,
            mechanism=security["sasl_mechanism"],
        )
    return faust.SSLCredentials(context) if context is not None else None
