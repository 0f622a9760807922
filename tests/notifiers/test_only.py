from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import Retry
from aiops.notifiers import Receipt, Receipts
from aiops.notifiers.checks import MemoryReceipts, example
from aiops.notifiers.only import OnlyNotifier, Rule


class Inner:
    def __init__(self):
        self.heard, self.faults, self.closed = [], [], False

    async def send(self, notification):
        if self.faults:
            raise self.faults.pop()
        self.heard.append(notification.reason)
        return Receipt("m1")

    async def close(self):
        self.closed = True


MILD = replace(example(), incident=replace(example().incident, severity="warning"))
CRITICAL = Rule(severities=("critical",))


def story(rule, *notifications, store=None, inner=None):
    async def tell():
        one = OnlyNotifier(inner or Inner(), rule, Receipts(store or MemoryReceipts(), "pager"))
        receipts = [await one.send(n) for n in notifications]
        await one.close()
        assert one.inner.closed
        return receipts, one.inner.heard

    return asyncio.run(tell())


def test_what_is_not_wanted_is_left_out_with_the_reason():
    receipts, heard = story(CRITICAL, MILD, example())
    assert receipts == [Receipt(left_out="not for severity warning"), Receipt("m1")]
    assert heard == ["opened"]


def test_who_was_told_of_it_hears_its_end_whatever_became_of_it_meanwhile():
    store = MemoryReceipts()
    story(CRITICAL, example(), store=store)
    over = replace(MILD, reason="resolved")
    assert story(CRITICAL, over, store=store)[1] == ["resolved"], "after a restart too"


def test_an_end_alone_is_nothing_to_tell():
    (receipt,), heard = story(CRITICAL, replace(example(), reason="resolved"))
    assert (receipt.left_out, heard) == ("over before it was one for this receiver", [])


def test_a_failure_is_passed_on_and_not_taken_for_told():
    inner, store = Inner(), MemoryReceipts()
    inner.faults = [Retry("busy")]
    with pytest.raises(Retry):
        story(CRITICAL, example(), store=store, inner=inner)
    assert store.kept == {}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule(), ""),
        (Rule(services=("check*", "db")), ""),
        (Rule(services=("db",)), "not for its services"),
        (Rule(("warning", "critical"), ("checkout",)), ""),
        (Rule(nothing=True), "not for incidents"),
        (Rule(kinds=("observed", "self")), ""),
        (Rule(kinds=("predicted",)), "not for observed incidents"),
    ],
)
def test_rules_go_by_severity_and_service(rule, why):
    assert rule.unwanted(example().incident) == why
