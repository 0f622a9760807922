"""Many incidents through outbox, delivery and notifier into a Slack that fails in every way, over restarts."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from aiops.delivery import Delivery, DeliveryRules
from aiops.notifiers._slack_state import SlackState
from aiops.notifiers.receipts import Receipts
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_slack import Fault
from tests.notifiers._slack_world import MINUTE_MS, START_MS, incident, note, ranking, resolved, world

INCIDENTS = 40
HOUR_S = 3600.0
FAULTS = (
    Fault(),
    Fault(after=True),
    Fault(500),
    Fault(503, after=True),
    Fault(429, headers={"Retry-After": "3"}),
    Fault(error="internal_error"),
)


class Life:
    """A service whose process ends now and then; only its store lives on."""

    def __init__(self, here, store, rng):
        self.here, self.store, self.rng = here, store, rng
        here.receipts = store
        here.state = SlackState(Receipts(store, "slack"))
        here.saved = store
        self.start()

    def start(self):
        notifier = self.here.restart()
        rule = DeliveryRules(patience_s=30, timeout_s=30)
        clock = lambda: round(self.here.now_s * 1000)
        self.delivery = Delivery(self.store, {"slack": notifier}, clock, self.rng, rule)

    async def until_told(self, *, break_share):
        for _ in range(4000):
            self.break_something(break_share)
            running = asyncio.create_task(self.delivery.run_once(round(self.here.now_s * 1000)))
            if self.rng.random() < break_share:
                # The process is killed: what was under way in Slack may end, nobody hears of it.
                await asyncio.sleep(self.rng.random() * 0.02)
                running.cancel()
                for lane in self.delivery._lanes.values():
                    lane.cancel()
                with suppress(asyncio.CancelledError):
                    await running
                await self.here.notifier.close()
                self.start()
                continue
            self.here.now_s += max(0.5, await running)
            if not self.store.waiting():
                return
        raise AssertionError(f"never told: {self.store.waiting()}")

    def break_something(self, share):
        for method in ("chat.postMessage", "chat.update", "conversations.history", "conversations.replies"):
            if not self.here.slack.faults[method] and self.rng.random() < share:
                self.here.slack.faults[method].append(self.rng.choice(FAULTS))


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_shown_twice_or_out_of_order_whatever_fails(tmp_path, seed):
    rng = random.Random(seed)
    store = open_sqlite(tmp_path / "a.sqlite")
    with world(cap_per_hour=10_000) as here:
        life = Life(here, store, rng)

        async def story():
            names = [f"{number:012x}" for number in range(INCIDENTS)]
            for name in names:
                one = incident(name)
                store.commit(Cycle(incidents=[one], notifications=[note(one)]))
            await life.until_told(break_share=0.3)
            for name in names:
                one = replace(incident(name), ranking=ranking("cart"), updated_ms=START_MS + 5 * MINUTE_MS)
                over = resolved(one)
                store.commit(Cycle(incidents=[one], notifications=[note(one, "cause changed", 1)]))
                store.commit(Cycle(incidents=[over], notifications=[note(over, "resolved")]))
            # For an hour nobody answers at all.
            here.slack.faults["chat.update"].extend([Fault()] * 10)
            here.now_s += HOUR_S
            await life.until_told(break_share=0.3)

        asyncio.run(story())
        assert store.dead_letters() == []
        assert here.slack.duplicates() == 0
        shown = here.slack.seen()
        assert len(shown) == INCIDENTS
        for message in shown:
            assert message["text"].startswith("Resolved")
            said = [reply["text"].split(" ")[0] for reply in here.slack.thread(message["ts"])]
            # A new cause that waited for the hour may give way to the end, which says it too.
            assert said in (
                ["Details", ":arrows_counterclockwise:", ":white_check_mark:"],
                ["Details", ":white_check_mark:"],
            )
        assert not any(message["mentions"] for message in here.slack.messages)
    store.close()


def test_a_storm_of_a_thousand_incidents_keeps_to_the_cap_and_ends_in_one_digest(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    with world(cap_per_hour=20) as here:
        life = Life(here, store, random.Random(3))
        storm = [incident(f"{number:012x}", title=f"service {number}: slow") for number in range(1000)]
        store.commit(Cycle(incidents=storm, notifications=[note(one) for one in storm]))
        asyncio.run(life.until_told(break_share=0.0))
        assert (len(here.slack.seen()), here.slack.duplicates(), store.dead_letters()) == (21, 0, [])
        digest = here.slack.seen()[-1]
        assert digest["text"].startswith("980 more incidents within an hour")
        assert "and 940 more" in rules.words(digest["blocks"])
        assert here.slack.methods().count("chat.update") <= 10
    store.close()
