"""Why a server gave no answer, for people: what HTTP libraries say of it names their own classes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator


def no_answer(error: BaseException) -> str:
    """Say why a request got no answer, by what the operating system or TLS said first.

    Nothing of the request is in it, so no secret is.

    >>> no_answer(ConnectionRefusedError(111, "Connection refused")), no_answer(TimeoutError())
    ('nothing listens there', 'no answer in time')
    >>> no_answer(ValueError("bad chunk"))
    'the request failed (ValueError)'
    """
    found = (why for one in _causes(error) if (why := _why(one)))
    return next(found, f"the request failed ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The first cause, what it led to, and so on up to the error itself."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        # Where a name has several addresses, each has failed; the first says as much as all.
        one = one.exceptions[0] if isinstance(one, BaseExceptionGroup) else one.__cause__ or one.__context__
    return reversed(chain)


def _why(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved: {(error.strerror or 'no reason given').lower()}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no handshake'}"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError) or type(error).__name__.endswith(("Timeout", "TimeoutError")):
        return "no answer in time"
    # The libraries have a class of their own, under one name, for a connection that ended within an answer.
    if isinstance(error, (ConnectionError, EOFError)) or type(error).__name__ in _BROKEN:
        return "the connection broke off"
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else ""


_BROKEN = ("RemoteProtocolError", "RemoteDisconnected", "IncompleteRead", "ProtocolError", "ChunkedEncodingError")
