"""Notifications reach each receiver in order, none is lost, and none waits for another receiver."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

import pytest

from aiops.delivery import Delivery
from aiops.errors import NotYet, Retry, StoreError
from aiops.notifiers import Receipt
from aiops.stores import Cycle
from tests._delivery_bench import RULES, Bench, Fake, note


def test_each_receiver_gets_its_own_in_order_and_once(store):
    async def story():
        pager, chat = Fake(), Fake()
        bench = Bench(store, pager=pager, chat=chat)
        store.commit(Cycle(notifications=[note("1"), note("2", "chat"), note("3"), note("4", incident="i2")]))
        assert await bench.at(1) == RULES.idle_s
        assert await bench.at(2) == RULES.idle_s
        assert sorted(pager.got) == ["1", "3", "4"]
        assert pager.got.index("1") < pager.got.index("3")
        assert chat.got == ["2"]
        assert bench.delivery.counts["pager", "sent"] == 3
        await bench.delivery.close()
        assert pager.closed
        assert chat.closed

    asyncio.run(story())


def test_what_is_wanted_later_waits_alone_and_is_no_failure(store):
    async def story():
        chat = Fake(NotYet("gathers", 90_000), None, NotYet("gathers", 0))
        bench = Bench(store, chat=chat)
        store.commit(Cycle(notifications=[note("1", "chat"), note("2", "chat"), note("3", "chat", incident="i2")]))
        await bench.at(1)
        assert chat.got == ["1", "3"], "its own incident keeps its order, others go on"
        assert await bench.at(60) == 30.0
        assert chat.got == ["1", "3"]
        await bench.at(90)
        assert chat.got == ["1", "3", "1"], "a time that is past ends no lane in a circle"
        await bench.at(91)
        assert chat.got == ["1", "3", "1", "1", "2"]
        assert (bench.delivery.counts["chat", "retried"], bench.delivery.last_errors) == (0, {})

    asyncio.run(story())


def test_what_is_wanted_in_the_far_future_is_asked_about_again_within_the_longest_wait(store):
    async def story():
        chat = Fake(NotYet("a clock was wrong", 10**15))
        bench = Bench(store, chat=chat)
        store.commit(Cycle(notifications=[note("1", "chat")]))
        await bench.at(1)
        await bench.at(RULES.asked_s)
        assert chat.got == ["1"]
        await bench.at(1 + RULES.asked_s)
        assert chat.got == ["1", "1"]

    asyncio.run(story())


def test_what_waited_for_long_and_is_no_news_any_more_gives_way(store, caplog):
    async def story():
        pager = Fake(Retry("down"))
        bench = Bench(store, pager=pager)
        notes = [
            note("1"),
            note("2", reason="cause changed"),
            note("3", reason="flapping"),
            note("4", reason="resolved"),
        ]
        store.commit(
            Cycle(notifications=[*notes, note("5", incident="i2"), note("6", incident="i2", reason="flapping")])
        )
        await bench.at(0)
        assert pager.got == ["1", "5", "6"], "what has not waited is told"
        with caplog.at_level(logging.INFO):
            await bench.at(100)
        assert pager.got == ["1", "5", "6", "1", "4"]
        assert bench.delivery.counts["pager", "replaced"] == 2
        assert caplog.text.count("notification replaced receiver=pager") == 2
        said = {row.notification.key: (row.state, row.note) for row in store.outgoing("i1")}
        assert said["3"] == said["2"] == ("done", "not sent: a later one said it all")
        assert said["4"] == ("done", "")

    asyncio.run(story())


def test_a_receiver_that_likes_it_is_told_of_several_incidents_at_once_each_in_order(store):
    async def story():
        opened, two = asyncio.Event(), asyncio.Event()

        class Wide(Fake):
            at_once = 2

            async def send(self, notification):
                if len(self.got) == 1:
                    two.set()
                return await super().send(notification)

        wide = Wide(opened, opened)
        bench = Bench(store, replace(RULES, timeout_s=600, patience_s=600), wide=wide)
        kept = [note("1", "wide"), note("1b", "wide"), note("2", "wide", "i2"), note("3", "wide", "i3")]
        store.commit(Cycle(notifications=kept))
        run = asyncio.create_task(bench.at(0))
        await two.wait()
        assert wide.got == ["1", "2"]
        opened.set()
        await run
        assert wide.got == ["1", "2", "3", "1b"]

    asyncio.run(story())


def test_a_slow_receiver_delays_nobody_else(store):
    async def story():
        opened = asyncio.Event()
        slow, quick = Fake(opened), Fake()
        bench = Bench(store, replace(RULES, timeout_s=30, patience_s=0.05), slow=slow, quick=quick)
        store.commit(Cycle(notifications=[note("1", "slow"), note("2", "quick")]))
        assert await bench.at(0) == 0.05
        store.commit(Cycle(notifications=[note("3", "quick")]))
        await bench.at(1)
        assert (slow.got, quick.got) == (["1"], ["2", "3"])
        opened.set()
        assert await bench.at(2) == RULES.idle_s
        assert store.counts()["outbox"] == 0
        assert slow.got == ["1"], "its lane is not started twice"

    asyncio.run(story())


class Forgetful:
    """A store that takes things out but cannot mark them, until it is healed."""

    def __init__(self, store):
        self.store, self.is_broken = store, True

    def __getattr__(self, name):
        return getattr(self.store, name)

    def done(self, key):
        if self.is_broken:
            raise StoreError("disk full")
        self.store.done(key)


def test_when_the_done_mark_cannot_be_written_it_is_repeated_with_the_same_key_and_never_lost(store):
    async def story():
        pager, forgetful = Fake(), Forgetful(store)
        delivery = Delivery(forgetful, {"pager": pager, "chat": Fake()}, lambda: 0, random.Random(1), RULES)
        store.commit(Cycle(notifications=[note("1"), note("2"), note("3", "chat")]))
        with pytest.raises(StoreError, match="disk full"):
            await delivery.run_once(0)
        forgetful.is_broken = False
        await delivery.run_once(1000)
        assert pager.got == ["1", "1", "2"]
        assert store.counts()["outbox"] == 0

    asyncio.run(story())


def test_what_is_under_way_at_the_end_stays_in_the_outbox(store):
    async def story():
        bench = Bench(store, replace(RULES, timeout_s=30, patience_s=0.01), pager=Fake(asyncio.Event()))
        store.commit(Cycle(notifications=[note("1")]))
        await bench.at(0)
        await bench.delivery.close()
        assert [row.notification.key for row in store.pending(0)] == ["1"]

    asyncio.run(story())


def test_nothing_is_lost_or_disordered_whatever_receivers_do(store):
    """Random failures of every kind and restarts in between; each key is taken in the end, in order per incident."""

    async def story():
        rng = random.Random(11)
        taken: dict[str, list[str]] = {"a": [], "b": []}
        notes = [note(f"{r}{i}{n}", r, f"i{i}") for n in range(5) for i in range(4) for r in ("a", "b")]
        store.commit(Cycle(notifications=notes))

        class Moody(Fake):
            async def send(self, notification):
                mood = rng.random()
                if mood < 0.3:
                    raise Retry("429", after_s=rng.choice([0, 5]))
                if mood < 0.4:
                    raise OSError("reset")
                taken[notification.receiver].append(notification.key)
                if mood < 0.5:
                    raise Retry("answer lost")
                return Receipt()

        at_s = 0.0
        while store.counts()["outbox"]:
            bench = Bench(store, replace(RULES, give_up_s=10**9), a=Moody(), b=Moody())
            at_s += 20
            await bench.at(at_s)
            await bench.delivery.close()
        for receiver, keys in taken.items():
            assert set(keys) == {n.key for n in notes if n.receiver == receiver}
            for incident in range(4):
                seen = list(dict.fromkeys(k for k in keys if k[1] == str(incident)))
                assert seen == sorted(seen)
        assert store.counts()["dead"] == 0

    asyncio.run(story())
