"""The topics: their names, partitions and retention; made when they are missing."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiops.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

T = TypeVar("T")

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
PATIENCE_S = 30.0  # a broker of several is away for so long when it is replaced
AGAIN_S = 0.5
ONLY_PARTITION = 0
"""Where all anomalies and answers are, also when somebody adds partitions to their topics: one worker hears all."""


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How topics are made.

    Parameters
    ----------
    prefix : of all names
    partitions : of samples and notifications
    replication : copies of each partition; two of three must have a message before it counts as there
    retention_hours : how long samples are kept; the others are kept at least a week
    """

    prefix: str = "aiops."
    partitions: int = 16
    replication: int = 1
    retention_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics."""

    prefix: str = "aiops."

    @property
    def samples(self) -> str:
        """Frames of samples, and what else a partition's detectors must hear; by service."""
        return f"{self.prefix}samples"

    @property
    def events(self) -> str:
        """Alerts, deploys and other changes, as they were received."""
        return f"{self.prefix}events"

    @property
    def anomalies(self) -> str:
        """What detectors say."""
        return f"{self.prefix}anomalies"

    @property
    def answers(self) -> str:
        """Rows that triage asked detectors for."""
        return f"{self.prefix}answers"

    @property
    def notifications(self) -> str:
        """What receivers are told; by incident."""
        return f"{self.prefix}notifications"

    @property
    def dead_letters(self) -> str:
        """Messages that could not be read, with the reason in their headers."""
        return f"{self.prefix}dead-letters"


def partition_of(key: str, partitions: int) -> int:
    """Where a key belongs: the same on every machine and in every version.

    >>> partition_of("cart", 16), partition_of("cart", 16)
    (7, 7)
    """
    return zlib.crc32(key.encode()) % partitions


async def make_topics(bootstrap: str, settings: TopicSettings, security: dict[str, Any] | None = None) -> Topics:
    """Make the topics that are missing; those that are there are left as they are.

    Raises
    ------
    Unavailable : no broker answers
    ConfigError : a topic cannot be made as set
    """
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError

    topics = Topics(settings.prefix)
    wanted = [
        NewTopic(name, partitions, settings.replication, topic_configs=configs)
        for name, partitions, configs in _wanted(topics, settings)
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **(security or {}))
    try:
        await admin.start()
        refused = await patiently(partial(_made, admin, wanted), PATIENCE_S)
    except (KafkaError, OSError) as error:
        raise Unavailable(f"kafka at {bootstrap}: {error}") from error
    finally:
        await admin.close()
    for name, code, reason in refused:
        raise ConfigError("the configuration", "kafka", f"topic {name} cannot be made: {reason} (error {code})")
    return topics


async def patiently(do: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """Do it again while brokers fail: each time another one is asked, and one that has died is in the list for long.

    Raises
    ------
    KafkaError : as `do` does, of what time does not mend, or after `patience_s`
    """
    from aiokafka.errors import KafkaError

    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + patience_s
    while True:
        try:
            return await do()
        except KafkaError as error:
            if not error.retriable or loop.time() > give_up_s:
                raise
            log.warning("a broker does not answer, asking again reason=%s", error)
            await asyncio.sleep(AGAIN_S)


async def _made(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> list[tuple[str, int, str]]:
    """Make what is missing; name, code and reason of what cannot be made."""
    there = set(await admin.list_topics())
    missing = [one for one in wanted if one.name not in there]
    made = await admin.create_topics(missing) if missing else None
    errors = [entry[:3] for entry in made.topic_errors] if made else []
    return [(name, code, reason) for name, code, reason in errors if code not in (0, _EXISTS)]


_EXISTS = 36  # TOPIC_ALREADY_EXISTS: another worker made it just now


def _wanted(topics: Topics, settings: TopicSettings) -> list[tuple[str, int, dict[str, str]]]:
    samples_ms = round(settings.retention_hours * HOUR_MS)
    long_ms = max(samples_ms, 7 * 24 * HOUR_MS)
    large = {"max.message.bytes": str(16 * 2**20)}

    def kept(ms: int) -> dict[str, str]:
        return {"retention.ms": str(ms), "min.insync.replicas": str(max(1, settings.replication - 1))}

    return [
        (topics.samples, settings.partitions, kept(samples_ms) | large),
        (topics.events, 1, kept(long_ms)),
        (topics.anomalies, 1, kept(long_ms)),
        (topics.answers, 1, kept(HOUR_MS) | large),
        (topics.notifications, settings.partitions, kept(long_ms)),
        (topics.dead_letters, 1, kept(long_ms) | large),
    ]
