"""Range queries over HTTP: many points, little memory, no surprises.

Rule 1: an answer is complete or an error, unless the caller says that incomplete is good enough.
Rule 2: what a shorter range would cure is asked for again in halves; what waiting would cure, after a back-off.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
import numpy as np

from aiops._no_answer import no_answer
from aiops.errors import Refused, SourceError, Unavailable
from aiops.model import F64, I64, Labels
from aiops.sources._prometheus_answer import (
    BULK_BYTES,
    TOO_HEAVY,
    Answer,
    Partial,
    TooHeavy,
    Window,
    error_message,
    read_answer,
)
from aiops.sources._prometheus_connection import Connection

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass, besides all other 5xx."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """What one range query gave.

    Parameters
    ----------
    times : (t,) unix ms, every step of the range
    labels : n label sets
    values : (t, n), NaN = missing
    counts : what was odd, by reason
    warnings : what the server had to say
    """

    times: I64
    labels: tuple[Labels, ...]
    values: F64
    counts: Counter[str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try again and what to put up with.

    Parameters
    ----------
    attempts : requests before the error is given back
    wait_s, longest_wait_s : waits double from one to the other; each is drawn from its upper half
    request_s : longest time of one request from start to end
    accept_partial : take answers that the server calls incomplete, and count them
    """

    attempts: int = 3
    wait_s: float = 0.5
    longest_wait_s: float = 30.0
    request_s: float = 120.0
    accept_partial: bool = False

    def wait_after(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after the attempt-th failure in a row, counted from 1."""
        longest = min(self.longest_wait_s, self.wait_s * 2.0 ** min(attempt - 1, 30))
        return longest * float(rng.uniform(0.5, 1.0))


class RangeReader:
    """Reads range queries of one server into dense arrays.

    Parameters
    ----------
    http : gives the client to ask with, opened on first use
    concurrency : requests at a time, over all callers
    sleep, rng : the back-off's clock and jitter

    `server_s` is the server's clock (unix seconds) as its latest answer showed it, None = not shown.
    """

    def __init__(
        self,
        connection: Connection,
        http: Callable[[], httpx.AsyncClient],
        *,
        concurrency: int = 4,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._connection, self._http = connection, http
        self._slots = asyncio.Semaphore(concurrency)
        self._patience = patience or Patience()
        self._sleep, self._rng = sleep, rng or random.Random()  # noqa: S311 - jitter, no cryptography
        self.server_s: float | None = None

    async def read(
        self,
        queries: Sequence[str],
        start_ms: int,
        end_ms: int,
        step_s: float,
        patience: Patience | None = None,
    ) -> list[Matrix | SourceError]:
        """Ask every query for the steps inside [start_ms, end_ms].

        Returns
        -------
        For each query its matrix, or `Refused` or `Unavailable` when it has none; one bad query spoils no other
        """
        window = Window.aligned(start_ms, end_ms, step_s)
        patience = patience or self._patience
        tasks = [self._read_or_error(query, window, patience) for query in queries]
        return list(await asyncio.gather(*tasks))

    async def _read_or_error(self, query: str, window: Window, patience: Patience) -> Matrix | SourceError:
        try:
            answers = []
            for part in window.split(self._connection.max_points):
                answers += await self._read_window(query, part, patience)
        except SourceError as e:
            return e
        return _join(window, answers)

    async def _read_window(self, query: str, window: Window, patience: Patience) -> list[tuple[Window, Answer]]:
        try:
            answer = await self._ask_patiently(query, window, patience)
        except TooHeavy as e:
            if window.rows <= 1:
                raise e.cause from e
            answers = []
            for half in window.split(-(-window.rows // 2)):
                answers += await self._read_window(query, half, patience)
            return answers
        return [(window, answer)]

    async def _ask_patiently(self, query: str, window: Window, patience: Patience) -> Answer:
        attempt = 1
        while True:
            try:
                async with self._slots:
                    return await self._ask(query, window, patience)
            except Unavailable:
                if attempt >= patience.attempts:
                    raise
                await self._sleep(patience.wait_after(attempt, self._rng))
                attempt += 1

    async def _ask(self, query: str, window: Window, patience: Patience) -> Answer:
        form = {
            "query": query,
            "start": f"{window.start_ms / 1000:.3f}",
            "end": f"{window.end_ms / 1000:.3f}",
            "step": f"{window.step_ms / 1000:.3f}",
        }
        try:
            async with asyncio.timeout(patience.request_s):
                status, body = await self._post(form)
        except TimeoutError as e:
            raise Unavailable(f"no complete answer within {patience.request_s:g} s") from e
        if status != httpx.codes.OK:
            raise failure(status, error_message(body))
        answer = await self._decode(body, window)
        if answer.is_partial and not patience.accept_partial:
            raise Partial(f"the answer is partial: {'; '.join(answer.warnings)[:300] or 'isPartial'}")
        return answer

    async def _decode(self, body: bytearray, window: Window) -> Answer:
        if len(body) > BULK_BYTES:
            return await asyncio.to_thread(read_answer, body, window, self._connection.max_series)
        return read_answer(body, window, self._connection.max_series)

    async def _post(self, form: dict[str, str]) -> tuple[int, bytearray]:
        body = bytearray()
        address, headers = self._connection.address("query_range"), self._connection.request_headers()
        try:
            async with self._http().stream("POST", address, data=form, headers=headers) as response:
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > self._connection.max_body_bytes:
                        raise TooHeavy(Refused(f"the answer is over max_body_bytes={self._connection.max_body_bytes}"))
                self.server_s = _date_s(response.headers.get("Date", ""))
                return response.status_code, body
        except httpx.RequestError as e:
            raise Unavailable(f"{self._connection.url} did not answer: {no_answer(e)}") from e


def failure(status: int, message: str) -> SourceError:
    """The error for an answer that is not 2xx."""
    text = f"HTTP {status}: {message}"
    is_passing = status in RETRIED or status >= httpx.codes.INTERNAL_SERVER_ERROR
    error = Unavailable(text) if is_passing else Refused(text)
    return TooHeavy(error) if status in (400, 422, 503) and TOO_HEAVY.search(message) else error


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def _join(window: Window, answers: list[tuple[Window, Answer]]) -> Matrix:
    places: dict[Labels, int] = {}
    counts: Counter[str] = Counter()
    for _, answer in answers:
        counts += answer.counts
        for labels in answer.columns:
            places.setdefault(labels, len(places))
    values = np.full((window.rows, len(places)), np.nan)
    for part, answer in answers:
        first = (part.start_ms - window.start_ms) // window.step_ms
        for labels, column in answer.columns.items():
            values[first : first + part.rows, places[labels]] = column
    warnings = tuple(dict.fromkeys(w for _, a in answers for w in a.warnings))
    return Matrix(window.times(), tuple(places), values, counts, warnings)
