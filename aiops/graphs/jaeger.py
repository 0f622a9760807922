"""Calls between services as Jaeger finds them in traces."""

from __future__ import annotations

import json

import httpx

from aiops._no_answer import no_answer
from aiops.errors import ConfigError, Refused, Unavailable
from aiops.graphs._base import named
from rca import ServiceGraph

LOOKBACK_S = 3600.0
"""Jaeger may compute dependencies in batches; an hour spans some of them (chosen)."""

MAX_BYTES = 20_000_000
"""An answer beyond this is no dependency list: 20,000 edges take 2 MB (chosen)."""


class JaegerGraph:
    """The answer of `GET {url}/api/dependencies`.

    Parameters
    ----------
    url : address of Jaeger's query service, with its base path if it has one
    lookback_s : seconds of traces to look at

    Raises
    ------
    ConfigError : `url` is not an http address
    """

    whole = False

    def __init__(self, url: str, *, lookback_s: float = LOOKBACK_S, timeout_s: float = 10.0) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(
                "graph", "jaeger_url", f"must be an address such as http://jaeger:16686: {error}"
            ) from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigError(
                "graph", "jaeger_url", f"must be an address such as http://jaeger:16686, is {url[:200]!r}"
            )
        self.name = f"jaeger {parsed.host}"
        self._address = url.rstrip("/") + "/api/dependencies"
        self._lookback_s = lookback_s
        self._timeout_s = timeout_s

    async def read(self, now_ms: int) -> ServiceGraph:
        """Ask for the dependencies of the last `lookback_s` seconds."""
        params = {"endTs": str(now_ms), "lookback": str(round(self._lookback_s * 1000))}
        try:
            async with (
                httpx.AsyncClient(timeout=self._timeout_s) as client,
                client.stream("GET", self._address, params=params) as reply,
            ):
                _check_status(reply.status_code)
                body = await _limited(reply)
        except httpx.HTTPError as error:
            raise Unavailable(f"jaeger did not answer: {no_answer(error)}") from error
        return _graph(body, now_ms)


def _check_status(status: int) -> None:
    if status >= 500 or status in (408, 429):
        raise Unavailable(f"jaeger answered status {status}")
    if status != 200:
        raise Refused(f"jaeger answered status {status}: jaeger_url must be the address of its query service")


async def _limited(reply: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Refused(f"jaeger's answer is over {MAX_BYTES} bytes")
    return bytes(body)


def _graph(body: bytes, now_ms: int) -> ServiceGraph:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("jaeger's answer is not JSON: jaeger_url must be the address of its query service") from error
    if not isinstance(answer, dict):
        raise Refused(f"jaeger's answer must be an object, is a {type(answer).__name__}")
    if answer.get("errors"):
        raise Unavailable(f"jaeger reports errors: {str(answer['errors'])[:200]}")
    graph = ServiceGraph()
    links = answer.get("data") or []
    if not isinstance(links, list):
        raise Refused(f"data in jaeger's answer must be a list, is a {type(links).__name__}")
    for link in links:
        graph.add(*_ends(link), now_ms)
    return graph


def _ends(link: object) -> tuple[str, str]:
    ends = (link.get("parent"), link.get("child")) if isinstance(link, dict) else (None, None)
    caller, callee = (named(end) if isinstance(end, str) else "" for end in ends)
    if not caller or not callee:
        raise Refused("each of data in jaeger's answer must have a parent and a child that are names")
    return caller, callee
