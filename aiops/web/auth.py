"""Who may ask: one token, as bearer token or as the password of basic authentication.

Senders have bearer tokens, browsers only basic authentication; the user name does not matter.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from aiops.secret import Secret


def permitted(headers: Mapping[str, str], token: Secret) -> bool:
    """Tell whether a request carries the token; every wrong one takes the same time. Without a token all may ask."""
    if not token:
        return True
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        value = _password(value)
    elif scheme.lower() != "bearer":
        value = ""
    return hmac.compare_digest(value.encode(), token.reveal().encode())


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def user_name(headers: Mapping[str, str]) -> str:
    """The name a browser was logged in with; it is believed as far as the password is."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Tell whether a browser says that another site sent this: a page must not post deploys on its reader's behalf."""
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
