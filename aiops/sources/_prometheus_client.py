"""A Prometheus server as the rest of the service sees it."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from aiops._no_answer import no_answer
from aiops.errors import Refused, SourceError, Unavailable
from aiops.model import Labels
from aiops.sources._prometheus_answer import TooHeavy, error_message
from aiops.sources._prometheus_connection import Connection
from aiops.sources._range import Patience, RangeReader, failure

T = TypeVar("T")

SMALL_TRIES = 2
"""Retries inside one discovery request; the caller of a discovery is a person or a slow timer. Chosen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query. `value` is NaN where the server has NaN or an infinity."""

    labels: Labels
    value: float


class PrometheusClient:
    """Discovery and small queries through prometheus-api-client, range queries through `ranges`.

    All calls raise `Unavailable` for what may pass and `Refused` for what will not.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        concurrency: int = 4,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.connection = connection
        self.counts: Counter[str] = Counter()
        self.rng = rng or random.Random()  # noqa: S311 - jitter, no cryptography
        self._tls = connection.tls()
        self._opened: httpx.AsyncClient | None = None
        self.ranges = RangeReader(
            connection, self._http, concurrency=concurrency, patience=patience, sleep=sleep, rng=self.rng
        )

    async def metric_names(self) -> list[str]:
        """All metric names the server knows."""
        return await self.label_values("__name__")

    async def label_values(self, name: str, match: str = "") -> list[str]:
        """All values of a label, of the series that match a selector if one is given."""
        params = {"match[]": match} if match else {}
        return _texts(await self._call(lambda server: server.get_label_values(name, params=params)))

    async def instant(self, query: str, time_s: float | None = None) -> list[Sample]:
        """Evaluate a query at one time (None: the server's now). Native histograms are left out and counted."""
        params = {} if time_s is None else {"time": f"{time_s:.3f}"}
        result = await self._call(lambda server: server.custom_query(query, params=params))
        try:
            if result and not isinstance(result[0], dict):
                return [Sample((), _finite(result[1]))]
            plain = [one for one in result or [] if "value" in one]
            self.counts["histogram"] += len(result or []) - len(plain)
            return [Sample(tuple(sorted(one["metric"].items())), _finite(one["value"][1])) for one in plain]
        except (TypeError, KeyError, IndexError, ValueError, AttributeError) as e:
            raise Refused(f"the answer to an instant query is not one of Prometheus: {e!r}") from e

    async def aclose(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.aclose()

    def _http(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                timeout=self.connection.timeout_s, verify=self._tls, auth=self.connection.basic_auth()
            )
        return self._opened

    async def _call(self, ask: Callable[[Any], T]) -> T:
        return await asyncio.to_thread(_call_once, self.connection, ask)


def _call_once(connection: Connection, ask: Callable[[Any], T]) -> T:
    import requests
    from prometheus_api_client import PrometheusConnect
    from prometheus_api_client.exceptions import PrometheusApiClientException
    from urllib3.util.retry import Retry

    session = requests.Session()
    session.verify = str(connection.ca_file) if connection.ca_file else True
    try:
        with PrometheusConnect(
            connection.url.rstrip("/"),
            headers=connection.request_headers(),
            # Without auth of our own, requests would overwrite the bearer token with an entry of ~/.netrc.
            auth=connection.basic_auth() or (lambda request: request),
            session=session,
            retry=Retry(total=SMALL_TRIES, backoff_factor=0.2, status_forcelist=[502, 503, 504], raise_on_status=False),
            timeout=connection.timeout_s,
        ) as server:
            return ask(server)
    except PrometheusApiClientException as e:
        raise _translated(str(e)) from e
    except requests.exceptions.JSONDecodeError as e:
        raise Refused("the answer is not JSON: is the url that of a Prometheus API?") from e
    except requests.RequestException as e:
        raise Unavailable(f"{connection.url} did not answer: {no_answer(e)}") from e
    except (KeyError, TypeError) as e:
        raise Refused(f"the answer is not one of Prometheus: {e!r}") from e


_STATUS = re.compile(r"HTTP Status Code (\d+) \(b['\"](.*)['\"]\)", re.DOTALL)


def _translated(text: str) -> SourceError:
    """Give the error for `HTTP Status Code 400 (b'...')`, which is all that the library keeps of an answer."""
    found = _STATUS.fullmatch(text)
    if found is None:
        return Unavailable(text[:300])
    body = found[2].encode("latin-1", "replace").decode("unicode_escape")
    error = failure(int(found[1]), error_message(body.encode("latin-1", "replace")))
    return error.cause if isinstance(error, TooHeavy) else error


def _texts(answer: object) -> list[str]:
    if answer is None:
        return []
    if not isinstance(answer, list) or not all(isinstance(text, str) for text in answer):
        raise Refused("the answer is not a list of names")
    return answer


def _finite(text: object) -> float:
    value = float(str(text))
    return value if math.isfinite(value) else math.nan
