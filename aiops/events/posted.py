"""What is posted to `/api/v1/events`: CloudEvents in any mode, a bare CDEvent, or our own plain shape."""

from __future__ import annotations

from collections.abc import Mapping

from aiops.events import _payload as payload
from aiops.events import cloudevents, plain
from aiops.events._payload import Received
from aiops.series import SERVICE_LABELS


def read(body: bytes, headers: Mapping[str, str], now_ms: int, names: tuple[str, ...] = SERVICE_LABELS) -> Received:
    """Turn a request into events, whichever of the shapes it has.

    Parameters
    ----------
    headers : of the request, names in lower case

    Raises
    ------
    InputError : naming the key of the first fault; nothing is taken then
    """
    if cloudevents.mode_of(headers) == "binary":
        return cloudevents.read(cloudevents.from_headers(body, headers), now_ms, names)
    content = payload.decoded(body)
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(content, dict) and "context" in content and "subject" in content:
        return cloudevents.read(cloudevents.from_cdevent(content), now_ms, names)
    # Many senders forget the content type of structured mode; `specversion` is no key of our own shape.
    if cloudevents.mode_of(headers) or (isinstance(first, dict) and "specversion" in first):
        return cloudevents.read(content, now_ms, names)
    return plain.read(content, now_ms)
