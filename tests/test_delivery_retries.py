"""What a receiver did not take is tried again later and later, and given up in the end."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from aiops.delivery import Delivery
from aiops.errors import Reject, Retry
from aiops.stores import Cycle
from tests._delivery_bench import RULES, Bench, Fake, note


def test_what_fails_is_tried_again_later_and_later_and_keeps_its_place(store):
    async def story():
        pager = Fake(*[Retry("busy")] * 8)
        bench = Bench(store, pager=pager)
        store.commit(Cycle(notifications=[note("1"), note("2")]))
        waits = []
        at_s = 0.0
        for _ in range(8):
            wait_s = await bench.at(at_s)
            due_s = store.waiting()["pager"] / 1000
            waits.append(due_s - at_s)
            assert wait_s == pytest.approx(min(RULES.idle_s, due_s - at_s))
            assert await bench.at(due_s - 0.1) <= 0.11
            at_s = due_s
        for wait, full in zip(waits, [2, 4, 8, 16, 32, 60, 60, 60], strict=True):
            assert full / 2 <= wait <= full
        assert pager.got == ["1"] * 8
        await bench.at(at_s)
        assert pager.got == ["1"] * 9 + ["2"]
        assert bench.delivery.counts["pager", "retried"] == 8
        assert bench.delivery.last_errors == {}

    asyncio.run(story())


def test_waits_are_spread_and_the_same_for_the_same_seed(store):
    def waits(seed):
        bench = Delivery(store, {}, lambda: 0, random.Random(seed), RULES)
        return [bench._back_off_s(3) for _ in range(4)]

    assert waits(1) == waits(1) != waits(2)
    assert len(set(waits(1))) == 4


def test_a_receiver_that_asks_for_patience_gets_it_for_everything(store):
    async def story():
        pager, chat = Fake(Retry("slow down", after_s=100)), Fake()
        bench = Bench(store, pager=pager, chat=chat)
        store.commit(Cycle(notifications=[note("1"), note("2", incident="i2"), note("3", "chat")]))
        assert await bench.at(0) == RULES.idle_s
        await bench.at(99)
        assert (pager.got, chat.got) == (["1"], ["3"])
        await bench.at(100)
        assert pager.got == ["1", "1", "2"]

    asyncio.run(story())


def test_a_receiver_cannot_ask_for_ever_and_a_clock_set_back_does_not_wait_for_it(store):
    async def story():
        pager = Fake(*[Retry("slow down", after_s=10**9)] * 2)
        bench = Bench(store, pager=pager)
        store.commit(Cycle(notifications=[note("1")]))
        for at_s, count in ((3000, 1), (3000 + RULES.asked_s - 1, 1), (3000 + RULES.asked_s, 2)):
            await bench.at(at_s)
            assert pager.got == ["1"] * count
        store.commit(Cycle(notifications=[note("2", incident="i2")]))
        await bench.at(1000)
        assert pager.got == ["1", "1", "2"]

    asyncio.run(story())


def test_what_is_refused_is_a_dead_letter_and_makes_room(store, caplog):
    async def story():
        bench = Bench(store, pager=Fake(Reject("no such channel")))
        store.commit(Cycle(notifications=[note("1"), note("2"), note("3", "nobody")]))
        with caplog.at_level(logging.ERROR):
            await bench.at(0)
        dead = {row.notification.key: row.note for row in store.dead_letters()}
        assert dead == {"1": "no such channel", "3": "no receiver of this name is configured"}
        assert store.counts()["outbox"] == 0
        assert bench.delivery.counts["pager", "dead"] == bench.delivery.counts["nobody", "dead"] == 1
        assert caplog.text.count("notification lost") == 2

    asyncio.run(story())


def test_after_a_day_of_failures_it_is_given_up_and_said(store):
    async def story():
        bench = Bench(store, pager=Fake(*[Retry("down")] * 99))
        store.commit(Cycle(notifications=[note("1", created_ms=5000)]))
        await bench.at(3604.9)
        assert store.counts()["dead"] == 0
        await bench.at(3700)
        assert store.dead_letters()[0].note == "given up after 2 attempts: down"

    asyncio.run(story())


def test_who_asks_us_to_wait_has_not_failed_and_nothing_is_given_up_while_it_takes_anything(store):
    async def story():
        busy = Retry("too much", after_s=600, is_limit=True)
        pager = Fake(*[busy] * 5, None, busy, busy)
        bench = Bench(store, pager=pager)
        store.commit(Cycle(notifications=[note("1"), note("2", incident="i2")]))
        for at_s in range(0, 3000, 600):
            await bench.at(at_s)
        assert [row.attempts for row in store.pending(10**9)] == [0, 0]
        await bench.at(3000)
        assert pager.got[-2:] == ["1", "2"], "the first is taken, the second is too much"
        await bench.at(3000 + RULES.give_up_s - 1)
        assert store.counts()["dead"] == 0
        pager.answers = [busy]
        await bench.at(3000 + RULES.give_up_s + 600)
        assert store.dead_letters()[0].note == "given up after 1 attempts: too much", "it took nothing for so long"

    asyncio.run(story())


def test_a_receiver_that_does_not_say_how_long_is_left_alone_for_longer_each_time(store):
    async def story():
        busy = Retry("too much", is_limit=True)
        bench = Bench(store, pager=Fake(*[busy] * 3))
        store.commit(Cycle(notifications=[note("1"), note("2", incident="i2")]))
        at_s, waits = 0.0, []
        for _ in range(3):
            waits.append(await bench.at(at_s))
            at_s += waits[-1]
        assert [1 <= waits[0] <= 2, 2 <= waits[1] <= 4, 4 <= waits[2] <= 8] == [True] * 3
        await bench.at(at_s)
        assert bench.delivery.counts["pager", "sent"] == 2

    asyncio.run(story())


def test_a_receiver_that_never_answers_is_cut_off_and_tried_again(store):
    async def story():
        bench = Bench(store, pager=Fake(asyncio.Event()))
        store.commit(Cycle(notifications=[note("1")]))
        await bench.at(0)
        assert store.waiting()["pager"] > 0
        assert bench.delivery.last_errors["pager"] == "no answer within 0.05 s"

    asyncio.run(story())


def test_a_notifier_with_a_fault_is_tried_again_and_its_words_stay_inside(store, caplog):
    async def story():
        bench = Bench(store, pager=Fake(KeyError("token s3cr3t")))
        store.commit(Cycle(notifications=[note("1")]))
        with caplog.at_level(logging.DEBUG):
            await bench.at(0)
        assert bench.delivery.last_errors["pager"] == "the notifier failed: KeyError"
        assert "s3cr3t" not in caplog.text

    asyncio.run(story())


def test_the_same_failure_again_is_logged_once(store, caplog):
    async def story():
        bench = Bench(store, pager=Fake(*[Retry("down")] * 4, Retry("still down")))
        store.commit(Cycle(notifications=[note("1")]))
        with caplog.at_level(logging.WARNING):
            for at_s in range(0, 500, 100):
                await bench.at(at_s)

    asyncio.run(story())
    assert [r.getMessage() for r in caplog.records] == [
        "notification delayed receiver=pager reason=down",
        "notification delayed receiver=pager reason=still down",
    ]
