"""slack-sdk's client, made quiet and strict. Imported only once something is to be sent."""

from __future__ import annotations

import logging
from typing import Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk import WebClient

from aiops.secret import Secret


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none: the answer becomes an HTTPError with its status."""


class _StrictClient(WebClient):
    """A client that follows no redirect: slack-sdk has no setting for it, and the contract of notifiers sees to it."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002 - as theirs
        handlers = [HTTPSHandler(context=self.ssl), _NoRedirect()]
        proxies = [ProxyHandler({"http": self.proxy, "https": self.proxy})] if self.proxy else []
        with build_opener(*handlers, *proxies).open(req, timeout=self.timeout) as answer:
            charset = answer.headers.get_content_charset() or "utf-8"
            return {"status": answer.code, "headers": answer.headers, "body": answer.read().decode(charset)}


def quiet_client(token: Secret, base_url: str, timeout_s: float) -> WebClient:
    """A client that sends each request once and logs nothing: its lines hold addresses and whole messages."""
    return _StrictClient(
        token=token.reveal(),
        base_url=base_url,
        timeout=max(1, round(timeout_s)),
        logger=silent_logger(),
        retry_handlers=[],
    )


def silent_logger() -> logging.Logger:
    """A logger that nobody configures and that says nothing."""
    silent = logging.Logger("aiops.slack", logging.CRITICAL + 1)  # noqa: LOG001 - not one of the tree
    silent.addHandler(logging.NullHandler())
    return silent
