"""The contract finds what it is there to find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.errors import Reject, Retry
from aiops.notifiers import Receipt
from aiops.notifiers.checks import check_notifier
from aiops.notifiers.webhook import WebhookNotifier


class Wrapped:
    """A webhook with something wrong around it."""

    def __init__(self, url):
        self.inner = WebhookNotifier(url)

    async def close(self):
        await self.inner.close()


class Twice(Wrapped):
    async def send(self, notification):
        await self.inner.send(notification)
        return await self.inner.send(notification)


class Keyless(Wrapped):
    async def send(self, notification):
        return await self.inner.send(replace(notification, key="x"))


class Hopeful(Wrapped):
    async def send(self, notification):
        try:
            return await self.inner.send(notification)
        except Reject as error:
            raise Retry(str(error)) from error


class Deaf(Wrapped):
    async def send(self, notification):
        try:
            return await self.inner.send(notification)
        except Retry as error:
            raise Retry(str(error)) from error


class Careless(Wrapped):
    async def send(self, notification):
        try:
            return await self.inner.send(notification)
        except Retry:
            return Receipt()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Twice, "2 requests for one call"),
        (Keyless, "the key is sent nowhere"),
        (Hopeful, "HTTP 301 must be reject"),
        (Deaf, "Retry-After: 17 was understood as 0.0 s"),
        (Careless, "HTTP 408 must be retry"),
    ],
)
def test_a_notifier_that_breaks_the_contract_is_caught(kind, said):
    with pytest.raises(AssertionError, match=said):
        check_notifier(kind)


def test_a_secret_in_an_error_is_caught():
    with pytest.raises(AssertionError, match="a secret is in a log or an error"):
        check_notifier(WebhookNotifier, secrets=["127.0.0.1"])
