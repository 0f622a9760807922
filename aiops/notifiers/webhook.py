"""Incidents as JSON, POSTed to an address.

The body is {"version", "key", "reason", "created_at", "incident"}, the incident in the shape of the API; or what a
template makes of the same values.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping

import msgspec

from aiops.model import Notification
from aiops.notifiers._base import Receipt
from aiops.notifiers._rest import Rest
from aiops.notifiers._template import BodyTemplate, TemplateFault
from aiops.secret import Secret

log = logging.getLogger(__name__)

BODY_VERSION = 1


class WebhookNotifier:
    """POSTs each notification with its key in `Idempotency-Key`.

    Parameters
    ----------
    url : http or https
    headers : further headers; treated as secrets
    token : sent as `Authorization: Bearer`
    secret : signs the body: `X-Aiops-Signature: sha256=<hex HMAC-SHA256>`
    template : makes the body; where it fails, the usual body is sent
    failed : told of each failure of the template
    timeout_s : for connecting, and for each read and write

    Raises
    ------
    ConfigError : the address is none, or a header cannot be sent
    """

    at_once = 8  # chosen: each notification is one request with a key of its own

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Secret | None = None,
        secret: Secret | None = None,
        template: BodyTemplate | None = None,
        failed: Callable[[], None] = lambda: None,
        timeout_s: float = 10.0,
    ) -> None:
        bearer = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        secrets = [secret] if secret else []
        self._rest = Rest("webhook", url, headers={**(headers or {}), **bearer}, secrets=secrets, timeout_s=timeout_s)
        self._secret = secret
        self._template = template
        self._failed = failed

    async def send(self, notification: Notification) -> Receipt:
        """POST it."""
        body, content_type = await asyncio.to_thread(self._body, notification)
        headers = {"Content-Type": content_type, "Idempotency-Key": notification.key}
        if self._secret:
            digest = hmac.new(self._secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Aiops-Signature"] = f"sha256={digest}"
        # The answer's text is not wanted: it could be endless.
        await self._rest.call("POST", content=body, headers=headers, reads=False)
        return Receipt()

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()

    def _body(self, notification: Notification) -> tuple[bytes, str]:
        """The body and its content type."""
        if self._template is not None:
            try:
                return self._template.render(notification), self._template.content_type
            except TemplateFault as fault:
                self._failed()
                log.warning("template failed, the usual body is sent key=%s reason=%s", notification.key, fault)
        return _usual(notification), "application/json"


def _usual(notification: Notification) -> bytes:
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
