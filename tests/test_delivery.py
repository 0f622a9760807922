from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

import pytest

from aiops.delivery import Delivery, DeliveryRules
from aiops.errors import NotYet, Reject, Retry, StoreError
from aiops.model import Incident, Notification
from aiops.notifiers import Receipt
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite

INCIDENT = Incident("i1", "open", "t", "warning", 0, 0, 0)
RULES = DeliveryRules(first_s=2, longest_s=60, asked_s=600, timeout_s=0.05, give_up_s=3600, patience_s=5, idle_s=30)


def note(key, receiver="pager", incident="i1", created_ms=0, reason="opened"):
    return Notification(key, replace(INCIDENT, id=incident), receiver, reason, created_ms)


class Fake:
    """A receiver that answers as told, by key or in turn: an error, "crash", or an event it waits for."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got: list[str] = []
        self.closed = False

    async def send(self, notification):
        self.got.append(notification.key)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        elif answer is not None:
            raise answer
        return Receipt()

    async def close(self):
        self.closed = True


@pytest.fixture
def store(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    yield store
    store.close()


class Bench:
    """A delivery with a clock that is moved by hand."""

    def __init__(self, store, rules=RULES, **receivers):
        self.now_ms = 0
        self.store = store
        self.delivery = Delivery(store, receivers, lambda: self.now_ms, random.Random(1), rules)

    async def at(self, now_s):
        self.now_ms = round(now_s * 1000)
        return await self.delivery.run_once(self.now_ms)


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
