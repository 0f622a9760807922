"""What every notifier that speaks HTTP must keep to, against a receiver that answers as it is told.

For tests of notifiers, ours and others':

    check_notifier(lambda url: MyNotifier(url, token=Secret("s3cr3t")), secrets=["s3cr3t"])
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from aiops.errors import DeliveryError, Reject, Retry
from aiops.model import Anomaly, Event, Incident, Notification, SeriesKey
from aiops.notifiers._base import Notifier
from rca import Evidence, Ranking, Suspect

Taken = Literal["taken", "retry", "reject"]

LATER = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may work."""
REFUSED = (301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422)
"""Statuses after which it will not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver does with one request. `status` 0: it closes the connection without a word."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class Request:
    """What it was sent; names of headers in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A receiver on 127.0.0.1; `answers` are given in turn, the last one for ever."""

    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(Request(head[0], headers, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer.status:
                more = "".join(f"{k}: {v}\r\n" for k, v in answer.headers)
                size = f"Content-Length: {len(answer.body)}"
                head_out = f"HTTP/1.1 {answer.status} Said\r\n{size}\r\nConnection: close\r\n{more}\r\n"
                writer.write(head_out.encode() + answer.body)
                await writer.drain()
        finally:
            writer.close()


class MemoryReceipts:
    """Receipts that last as long as this object: what a notifier in a test is given instead of a store."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], str] = {}

    def receipts(self, receiver: str, incident_id: str) -> dict[str, str]:
        """What a receiver keeps of an incident, by name."""
        return {name: value for (r, i, name), value in self.kept.items() if (r, i) == (receiver, incident_id)}

    def receipts_named(self, receiver: str, name: str) -> dict[str, str]:
        """What a receiver keeps under one name, by incident."""
        return {i: value for (r, i, n), value in self.kept.items() if (r, n) == (receiver, name)}

    def keep_receipts(self, receiver: str, incident_id: str, values: Mapping[str, str]) -> None:
        """Keep values beside those that are there; "" forgets one."""
        for name, value in values.items():
            self.kept[receiver, incident_id, name] = value
            if not value:
                del self.kept[receiver, incident_id, name]


def example() -> Notification:
    """A notification with something of everything, NaN and a hostile text included."""
    series = SeriesKey("latency_p95", "checkout", "", (("zone", "a"),))
    anomaly = Anomaly(
        *("a1", series, "latency", "s", "up", True, 1_700_000_000_000, 1_700_000_060_000, None),
        *(1.9, float("nan"), 0.2, 0.4, 9.0, 2.0, (("ewma", 9.0),), "six times as slow"),
    )
    alert = Event("e1", 1_700_000_000_000, "checkout", "alert", 'He said "no"\n\x1b[2J', status="firing")
    deploy = Event("d1", 1_699_999_900_000, "payments", "deploy", "v2 <b>", "https://ci.example/1?a=b&c=d")
    evidence = (Evidence("deploy", 0.8, "deployed shortly before", (("minutes", 1.5),)),)
    suspect = Suspect("payments", None, 1.0, 0.8, "deploy", "deployed", ("payments", "checkout"), evidence)
    incident = Incident(
        *("0123456789ab", "open", "checkout: p95 latency 1.9 s", "critical", 1_700_000_000_000, 1_700_000_060_000),
        *(1_700_000_060_000, None, ("checkout",), (anomaly,), (alert,), (deploy,)),
        Ranking((suspect,), unknown=False),
    )
    return Notification("0123456789ab:opened:hook", incident, "hook", "opened", 1_700_000_060_000)


def check_notifier(
    make: Callable[[str], Notifier],
    *,
    secrets: Sequence[str] = (),
    body: bytes = b"{}",
    taken: Sequence[int] = (200, 201, 202, 204),
) -> None:
    """Run all checks.

    Parameters
    ----------
    make : a notifier that talks to this address and remembers nothing yet
    secrets : texts given to it that must not show up anywhere but in requests
    body : what the receiver answers when all is well
    taken : with which statuses; one that always says something of what it did gives no other

    Raises
    ------
    AssertionError : it does not keep to the contract; says where
    """
    asyncio.run(_check_statuses(make, secrets, body, taken))
    asyncio.run(_check_lost_answers(make, secrets))
    asyncio.run(_check_keys(make, body))


async def _check_statuses(
    make: Callable[[str], Notifier], secrets: Sequence[str], body: bytes, taken: Sequence[int]
) -> None:
    wanted: list[tuple[int, Taken]] = [(status, "taken") for status in taken]
    wanted += [(status, "retry") for status in LATER] + [(status, "reject") for status in REFUSED]
    repeated = f'{{"message": "not with {" ".join(secrets)}"}}'.encode()
    for status, outcome in wanted:
        elsewhere = (("Location", "http://127.0.0.1:1/"),) if 300 <= status < 400 else ()
        error = await _send(make, Answer(status, elsewhere, body if outcome == "taken" else repeated), secrets)
        assert _kind(error) == outcome, f"HTTP {status} must be {outcome}, was {error!r}"
    for status in (429, 503):
        error = await _send(make, Answer(status, (("Retry-After", "17"),)), secrets)
        assert isinstance(error, Retry)
        assert error.after_s == 17.0, f"Retry-After: 17 was understood as {error.after_s} s"


async def _check_lost_answers(make: Callable[[str], Notifier], secrets: Sequence[str]) -> None:
    error = await _send(make, Answer(0), secrets)
    assert _kind(error) == "retry", f"a closed connection must be a retry, was {error!r}"
    async with Receiver() as gone:
        url = gone.url
    error = await _send_to(make(url), secrets)
    assert _kind(error) == "retry", f"a refused connection must be a retry, was {error!r}"


async def _check_keys(make: Callable[[str], Notifier], body: bytes) -> None:
    """The same key, in header or body of all that is sent, each time; another one for another notification."""
    first = example()
    over = replace(first.incident, status="resolved", resolved_ms=first.created_ms, updated_ms=first.created_ms)
    second = replace(first, key="0123456789ab:resolved:hook", reason="resolved", incident=over)
    told = set()
    async with Receiver([Answer(body=body)]) as receiver:
        notifier = make(receiver.url)
        for notification in (first, first, second):
            receiver.requests.clear()
            await notifier.send(notification)
            for request in receiver.requests:
                text = " ".join([*request.headers.values(), request.body.decode()])
                assert notification.key in text, "the key is sent nowhere"
                told.add(notification.key)
        await notifier.close()
    assert told == {first.key, second.key}, "a notification was not sent at all"


async def _send(make: Callable[[str], Notifier], answer: Answer, secrets: Sequence[str]) -> DeliveryError | None:
    async with Receiver([answer]) as receiver:
        error = await _send_to(make(receiver.url), secrets)
        sent = [(r.line, r.body) for r in receiver.requests]
        again = len(sent) - len(set(sent))
        assert not again, f"{again + 1} requests for one call: who retries is not you"
        assert len(sent) == 1 or error is None, f"{len(sent)} requests after a failure: who retries is not you"
    return error


async def _send_to(notifier: Notifier, secrets: Sequence[str]) -> DeliveryError | None:
    error: DeliveryError | None = None
    with _all_logs() as lines:
        try:
            await notifier.send(example())
        except (Retry, Reject) as raised:
            error = raised
        await notifier.close()
    said = "\n".join([*lines, *_chain(error)])
    for secret in secrets:
        assert secret not in said, "a secret is in a log or an error"
    return error


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error} {error!r}"
        error = error.__cause__


def _kind(error: DeliveryError | None) -> Taken:
    return "taken" if error is None else "retry" if isinstance(error, Retry) else "reject"


@contextmanager
def _all_logs() -> Iterator[list[str]]:
    """Every line that anybody logs, down to debug."""
    lines: list[str] = []
    catcher = logging.Handler(logging.DEBUG)
    catcher.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # one line long
    root = logging.getLogger()
    level = root.level
    root.addHandler(catcher)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(catcher)
