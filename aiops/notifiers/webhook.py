"""Incidents as JSON, POSTed to an address.

The body is {"version", "key", "reason", "created_at", "incident"}, the incident in the shape of the API.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from aiops.model import Notification
from aiops.notifiers._base import Receipt
from aiops.notifiers._rest import Rest
from aiops.secret import Secret

BODY_VERSION = 1


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
        bearer = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        secrets = [secret] if secret else []
        self._rest = Rest("webhook", url, headers={**(headers or {}), **bearer}, secrets=secrets, timeout_s=timeout_s)
        self._secret = secret

    async def send(self, notification: Notification) -> Receipt:
        """POST it."""
        body = _body(notification)
        headers = {"Content-Type": "application/json", "Idempotency-Key": notification.key}
        if self._secret:
            digest = hmac.new(self._secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Aiops-Signature"] = f"sha256={digest}"
        # The answer's text is not wanted: it could be endless.
        await self._rest.call("POST", content=body, headers=headers, reads=False)
        return Receipt()

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()


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
