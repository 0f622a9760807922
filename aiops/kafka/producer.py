"""Messages into Kafka, each there when `put` returns: taken by all replicas in sync, once, in order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

LARGEST_BYTES = 16 * 2**20  # what the topics take


class Producer:
    """Puts messages into topics.

    Parameters
    ----------
    clock : unix seconds, the time that messages carry
    timeout_s : a message that is not taken within so long is refused
    security : further arguments of the client, see `security_of`
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        clock: Callable[[], float],
        timeout_s: float = 10.0,
        security: dict[str, Any] | None = None,
    ) -> None:
        self._bootstrap, self._clock, self._timeout_s = bootstrap, clock, timeout_s
        self._security = security or {}
        self._client: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises `Unavailable` if no broker answers."""
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaError

        client = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=LARGEST_BYTES,
            request_timeout_ms=round(self._timeout_s * 1000),
            **self._security,
        )
        try:
            await client.start()
        except (KafkaError, OSError) as error:
            await client.stop()
            raise Unavailable(f"kafka at {self._bootstrap}: {error}") from error
        self._client = client

    async def stop(self) -> None:
        """Send what is on its way and disconnect."""
        if self._client is not None:
            await self._client.stop()

    async def put(
        self,
        topic: str,
        data: bytes,
        *,
        partition: int | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        time_ms: int | None = None,
    ) -> None:
        """Put a message; Kafka has it when this returns.

        Raises
        ------
        Overloaded : Kafka has not taken it; nothing is known to be there
        """
        from aiokafka.errors import KafkaError

        if self._client is None:
            raise Overloaded("not connected to Kafka")
        sent_ms = round(self._clock() * 1000) if time_ms is None else time_ms
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                await self._client.send_and_wait(
                    topic, data, key=key, partition=partition, timestamp_ms=sent_ms, headers=list(headers)
                )
        except (KafkaError, TimeoutError) as error:
            raise Overloaded(f"kafka at {self._bootstrap} has not taken a message: {type(error).__name__}") from error


def security_of(*, tls: bool, ca_file: Path | None, user: str, password: str, mechanism: str) -> dict[str, Any]:
    """Arguments of aiokafka's clients for TLS and SASL."""
    protocol = ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT")
    arguments: dict[str, Any] = {"security_protocol": protocol}
    if tls:
        arguments["ssl_context"] = ssl.create_default_context(cafile=ca_file)
    if user:
        arguments |= {"sasl_mechanism": mechanism, "sasl_plain_username": user, "sasl_plain_password": password}
    return arguments
