"""One receiver's HTTP interface: requests out, answers judged.

What the answer's status means for the one who sends a notification:

2xx                      done
408, 409, 425, 429       not done, it may work later; Retry-After is honoured
5xx, no whole answer     it may or may not have been done: `Unsure`
no connection            not done, it may work later
3xx                      refused: redirects are not followed, they could carry the secret to somebody else
other 4xx                refused: the same request will not do better

Neither the address, which may hold a token, nor a header ever reaches an error or a log: only host, status and what the
receiver says of its reasons do, without our secrets should it repeat them.
"""

from __future__ import annotations

import base64
import email.utils
import logging
import ssl
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from aiops.errors import ConfigError, DeliveryError, Reject, Retry, Unsure
from aiops.secret import Secret

LATER = frozenset({408, 409, 425, 429})
_LONGEST_WAIT_S = 86_400.0
_MOST_BYTES = 4 * 2**20  # of an answer, chosen: a hundred tickets with long descriptions
_MOST_SAID = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said: its status, headers by lower-case name, and its body as read from JSON (None = none)."""

    status: int
    headers: Mapping[str, str]
    body: Any = None


class Rest:
    """Requests to one receiver.

    Parameters
    ----------
    where : kind of the receiver, for errors in its settings
    url : what paths are appended to; http or https
    headers : sent with every request; treated as secrets
    secrets : further texts that no error may show
    ca_file : certificate authority for TLS; None = those that this machine trusts
    timeout_s : for connecting, and for each read and write
    judge : what an answer means that this receiver gives another meaning than most; None = the usual

    Raises
    ------
    ConfigError : the address is none, a header cannot be sent, or the certificates cannot be read
    """

    def __init__(
        self,
        where: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[Secret] = (),
        ca_file: Path | None = None,
        timeout_s: float = 10.0,
        judge: Callable[[Answer], DeliveryError | None] = lambda _: None,
    ) -> None:
        self._url = checked_url(where, url)
        self._judge = judge
        self.host = self._url.host
        given = dict(headers or {})
        shown = {"accept", "content-type", "x-github-api-version"}
        self._secrets = [value for name, value in given.items() if name.lower() not in shown]
        # A header such as `Bearer x` is repeated as `x` too.
        self._secrets += [part for value in self._secrets for part in value.split() if len(part) > 6]
        self._secrets += [secret.reveal() for secret in secrets if secret]
        try:
            verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(where, "ca_file", f"{ca_file} holds no certificates that can be read: {error}") from error
        try:
            self._client = httpx.AsyncClient(headers=given, timeout=timeout_s, follow_redirects=False, verify=verify)
        except (UnicodeEncodeError, ValueError, TypeError):
            raise ConfigError(where, "headers", "names and values must be plain text") from None
        logging.getLogger("httpx").addFilter(_host_only)

    @property
    def url(self) -> str:
        """The address that paths are appended to."""
        return str(self._url).rstrip("/")

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        fine: Collection[int] = (),
        reads: bool = True,
    ) -> Answer:
        """Ask for something once.

        Parameters
        ----------
        json, content : the body, one of them
        fine : statuses beside 2xx that are an answer here and no failure
        reads : the answer's body is wanted; False where its words could repeat an address that is a secret

        Raises
        ------
        Unsure : it may or may not have been done
        Retry : it was not done and may work later
        Reject : it will never work
        """
        given = dict(headers or {})
        if json is not None:
            content = msgspec.json.encode(json)
            given.setdefault("Content-Type", "application/json")
        url = self._url.copy_with(raw_path=self._raw_path(path)) if path else self._url
        url = url.copy_merge_params(httpx.QueryParams(params)) if params else url
        try:
            async with self._client.stream(method, url, content=content, headers=given) as response:
                body = await _limited(response) if reads else b""
                answer = Answer(response.status_code, response.headers, _decoded(body))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # Its text may hold the address.
            raise Retry(f"{self.host}: no connection ({type(error).__name__})") from error
        except httpx.TimeoutException as error:
            raise Unsure(f"{self.host}: no answer in time") from error
        except httpx.LocalProtocolError as error:
            raise Reject(f"{self.host}: the request cannot be sent ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise Unsure(f"{self.host}: {type(error).__name__}") from error
        if 200 <= answer.status < 300 or answer.status in fine:
            return answer
        raise self._judge(answer) or self._failure(answer)

    def _failure(self, answer: Answer) -> DeliveryError:
        """What an answer that is none of the good ones means."""
        said = f"{self.host}: HTTP {answer.status}"
        if 300 <= answer.status < 400:
            return Reject(f"{said}, redirects are not followed")
        if reason := self._said(answer.body):
            said = f"{said}: {reason}"
        wait_s = retry_after_s(answer.headers.get("retry-after", ""))
        if answer.status >= 500:
            return Unsure(said, wait_s)
        return Retry(said, wait_s, is_limit=answer.status == 429) if answer.status in LATER else Reject(said)

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    def _raw_path(self, path: str) -> bytes:
        return self._url.raw_path.rstrip(b"/") + path.encode("ascii")

    def _said(self, body: object) -> str:
        """The receiver's own words, on one line and without our secrets."""
        if not body:
            return ""
        text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
        for secret in sorted(filter(None, self._secrets), key=len, reverse=True):
            text = text.replace(secret, "<secret>")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= _MOST_SAID else f"{line[: _MOST_SAID - 1]}…"


def basic(user: str, password: Secret) -> str:
    """The Authorization header of a user.

    >>> basic("Aladdin", Secret("open sesame"))
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    return f"Basic {base64.b64encode(f'{user}:{password.reveal()}'.encode()).decode()}"


def retry_after_s(text: str, now: datetime | None = None) -> float:
    """Seconds in a Retry-After header, a number or a date; 0 for none or nonsense.

    >>> retry_after_s("17"), retry_after_s("soon"), retry_after_s("-1")
    (17.0, 0.0, 0.0)
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WAIT_S)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    wanted = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (wanted - (now or datetime.now(UTC))).total_seconds()), _LONGEST_WAIT_S)


def checked_url(where: str, text: str, key: str = "url") -> httpx.URL:
    """An address that requests can go to. Raises ConfigError without showing it: it may hold a token."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ConfigError(where, key, "is no URL") from None
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65536:
        raise ConfigError(where, key, "must begin with http:// or https:// and name a host, and a port below 65536")
    return url


async def _limited(response: httpx.Response) -> bytes:
    """The body as far as anybody reads it: it could be endless."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MOST_BYTES:
            return b""
    return bytes(body)


def _decoded(body: bytes) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:2000].decode("utf-8", "replace")


def _host_only(record: logging.LogRecord) -> bool:
    """Keep path and query of addresses out of httpx's own log lines: they may hold tokens."""
    if isinstance(record.args, tuple):
        record.args = tuple(a.host if isinstance(a, httpx.URL) else a for a in record.args)
    return True
