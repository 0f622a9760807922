"""Incidents as JSON, POSTed to an address.

The body is {"version", "key", "reason", "created_at", "incident"}, the incident in the shape of the API. What the
answer's status means:

2xx                      the receiver has it
408, 425, 429, 5xx, 409  it may work later; Retry-After is honoured (409: the same key is being worked on)
3xx                      refused: redirects are not followed, they could carry the secret to somebody else
other 4xx                refused: the same request will not do better
no answer, TLS fault     it may work later

Neither the address, which may hold a token, nor a header ever reaches an error or a log: only host and status do.
"""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
import msgspec

from aiops.errors import ConfigError, Reject, Retry
from aiops.model import Notification
from aiops.notifiers._base import Receipt
from aiops.secret import Secret

BODY_VERSION = 1
_LATER = frozenset({408, 409, 425, 429})
_LONGEST_WAIT_S = 86_400.0


class WebhookNotifier:
    """POSTs each notification with its key in `Idempotency-Key`.

    Parameters
    ----------
    url : http or https
    headers : further headers; treated as secrets
    token : sent as `Authorization: Bearer`
    secret : signs the body: `X-Aiops-Signature: sha256=<hex HMAC-SHA256>`
    timeout_s : for connecting, and for each read and write

    Raises
    ------
    ConfigError : the address is none, or a header cannot be sent
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Secret | None = None,
        secret: Secret | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._url = _checked_url(url)
        self._host = self._url.host
        self._secret = secret
        given = dict(headers or {})
        if token:
            given["Authorization"] = f"Bearer {token.reveal()}"
        try:
            self._client = httpx.AsyncClient(headers=given, timeout=timeout_s, follow_redirects=False)
        except (UnicodeEncodeError, ValueError, TypeError):
            raise ConfigError("webhook", "headers", "names and values must be plain text") from None
        logging.getLogger("httpx").addFilter(_host_only)

    async def send(self, notification: Notification) -> Receipt:
        """POST it."""
        body = _body(notification)
        headers = {"Content-Type": "application/json", "Idempotency-Key": notification.key}
        if self._secret:
            digest = hmac.new(self._secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Aiops-Signature"] = f"sha256={digest}"
        try:
            # The answer's text is not wanted: it could be endless.
            async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                return self._judge(response)
        except httpx.TimeoutException as error:
            raise Retry(f"{self._host}: no answer in time") from error
        except httpx.LocalProtocolError as error:
            raise Reject(f"{self._host}: the request cannot be sent ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            # Its text may hold the address.
            raise Retry(f"{self._host}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    def _judge(self, response: httpx.Response) -> Receipt:
        status = response.status_code
        if 200 <= status < 300:
            return Receipt()
        said = f"{self._host}: HTTP {status}"
        if status in _LATER or status >= 500:
            raise Retry(said, retry_after_s(response.headers.get("Retry-After", "")))
        raise Reject(f"{said}, redirects are not followed" if 300 <= status < 400 else said)


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


def _body(notification: Notification) -> bytes:
    # The web package is not needed before the first incident.
    from aiops import words
    from aiops.web.render import incident_dict

    return msgspec.json.encode(
        {
            "version": BODY_VERSION,
            "key": notification.key,
            "reason": notification.reason,
            "created_at": words.moment(notification.created_ms),
            "incident": incident_dict(notification.incident),
        }
    )


def _checked_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ConfigError("webhook", "url", "is no URL") from None
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65536:
        raise ConfigError(
            "webhook", "url", "must begin with http:// or https:// and name a host, and a port below 65536"
        )
    return url


def _host_only(record: logging.LogRecord) -> bool:
    """Keep path and query of addresses out of httpx's own log lines: they may hold tokens."""
    if isinstance(record.args, tuple):
        record.args = tuple(a.host if isinstance(a, httpx.URL) else a for a in record.args)
    return True
