from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest

from aiops.errors import Reject, Retry
from aiops.notifiers import Receipts
from aiops.notifiers._replicas import Replicas
from aiops.notifiers._rest import Rest
from aiops.notifiers.alertmanager import AlertmanagerNotifier
from aiops.notifiers.checks import Answer, MemoryReceipts, Receiver, check_notifier, example
from aiops.notifiers.only import OnlyNotifier, Rule
from tests.notifiers._broken_receipts import BrokenReceipts

MINUTE_MS = 60_000
NOW_MS = example().created_ms


class Clock:
    def __init__(self):
        self.now_ms = NOW_MS

    def __call__(self):
        return self.now_ms


def made(urls, store=None, clock=None, **more):
    headers = {"Authorization": "Bearer t0k3n-t0k3n"}
    replicas = Replicas([Rest("alertmanager", url, headers=headers, timeout_s=5) for url in urls])
    return AlertmanagerNotifier(replicas, Receipts(store or MemoryReceipts(), "am"), clock or Clock(), **more)


def test_it_keeps_to_the_contract_of_notifiers():
    check_notifier(lambda url: made([url]), secrets=["t0k3n-t0k3n"])


@contextlib.asynccontextmanager
async def receivers(count, answer=None):
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Receiver([answer or Answer()])) for _ in range(count)]


def posted(receiver):
    """All alerts of all requests, in order."""
    return [alert for request in receiver.requests for alert in json.loads(request.body)]


def test_labels_are_identity_and_all_that_changes_is_said_in_annotations():
    async def story():
        async with receivers(1) as (one,):
            notifier = made([one.url], labels={"cluster": "eu"}, page="https://ops.example")
            await notifier.send(example())
            await notifier.close()
        (alert,) = posted(one)
        assert alert["labels"] == {
            "alertname": "AiopsIncident",
            "service": "checkout",
            "severity": "critical",
            "incident": "0123456789ab",
            "cluster": "eu",
        }
        assert alert["generatorURL"] == "https://ops.example/incidents/0123456789ab"
        assert (alert["startsAt"], alert["endsAt"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:18:20.000Z")
        notes = alert["annotations"]
        assert notes["summary"] == "checkout: p95 latency 1.9 s"
        assert (notes["cause"], notes["confidence"]) == ("payments", "80%")
        assert "Cause: payments" in notes["description"]
        assert one.requests[0].headers["idempotency-key"] == example().key

    asyncio.run(story())


def test_what_fires_is_sent_every_minute_after_a_restart_too_and_resolved_for_five_minutes():
    async def story():
        clock, store = Clock(), MemoryReceipts()
        async with receivers(1) as (one,):
            notifier = made([one.url], store, clock)
            await notifier.send(example())
            await notifier.close()
            notifier = made([one.url], store, clock)
            ends = []
            for minute in range(1, 4):
                clock.now_ms = NOW_MS + minute * MINUTE_MS
                one.requests.clear()
                await notifier.tend(clock.now_ms)
                await notifier.tend(clock.now_ms + 15_000)
                ends.append([alert["endsAt"] for alert in posted(one)])
            assert ends == [["2023-11-14T22:19:20.000Z"], ["2023-11-14T22:20:20.000Z"], ["2023-11-14T22:21:20.000Z"]]
            over = replace(example().incident, status="resolved", resolved_ms=clock.now_ms)
            await notifier.send(replace(example(), key="k2", reason="resolved", incident=over))
            counts = []
            for minute in range(4, 11):
                clock.now_ms = NOW_MS + minute * MINUTE_MS
                one.requests.clear()
                await notifier.tend(clock.now_ms)
                counts.append(len(posted(one)))
                assert {alert["endsAt"] for alert in posted(one)} <= {"2023-11-14T22:17:20.000Z"}
            assert counts == [1, 1, 1, 1, 0, 0, 0]
            assert store.kept == {}
            await notifier.close()

    asyncio.run(story())


def test_an_incident_that_gets_worse_fires_anew_and_its_milder_alert_is_resolved():
    async def story():
        async with receivers(1) as (one,):
            clock = Clock()
            notifier = made([one.url], clock=clock)
            mild = replace(example().incident, severity="warning", title="cart: odd", services=("cart", "checkout"))
            await notifier.send(replace(example(), incident=mild))
            one.requests.clear()
            clock.now_ms += MINUTE_MS
            await notifier.send(replace(example(), key="k2", reason="cause changed"))
            await notifier.close()
        old, new = posted(one)
        assert (old["labels"]["severity"], old["endsAt"]) == ("warning", "2023-11-14T22:15:20.000Z")
        assert (new["labels"]["severity"], new["endsAt"]) == ("critical", "2023-11-14T22:19:20.000Z")
        assert old["labels"]["service"] == new["labels"]["service"] == "cart", "the service it was told of stays"

    asyncio.run(story())


def test_every_replica_is_told_and_one_that_takes_it_is_enough():
    async def story():
        async with receivers(2) as (one, two):
            async with Receiver() as gone:
                away = gone.url
            notifier = made([away, one.url, two.url])
            await notifier.send(example())
            assert len(posted(one)) == len(posted(two)) == 1
            with pytest.raises(Retry, match="no connection"):
                await notifier.tend(NOW_MS + MINUTE_MS)
            assert len(posted(one)) == len(posted(two)) == 2, "who is there has it, and who is away is counted"
            await notifier.close()
            notifier = made([away, away])
            with pytest.raises(Retry, match="no connection"):
                await notifier.send(example())
            await notifier.close()
        async with receivers(1, Answer(400, body=b'{"error":"bad label"}')) as (strict,):
            notifier = made([strict.url])
            with pytest.raises(Reject, match="bad label"):
                await notifier.send(example())
            await notifier.close()
            notifier = made([strict.url, away])
            with pytest.raises(Retry):
                await notifier.send(example())
            await notifier.close()

    asyncio.run(story())


def test_more_alerts_than_fit_are_sent_in_several_requests():
    async def story():
        store = MemoryReceipts()
        async with receivers(1) as (one,):
            notifier = made([one.url], store)
            await notifier.send(example())
            kept = store.receipts("am", example().incident.id)["alerts"]
            for number in range(300):
                store.keep_receipts("am", f"i{number}", {"alerts": kept})
            one.requests.clear()
            await notifier.close()
            notifier = made([one.url], store)
            await notifier.tend(NOW_MS)
            await notifier.close()
        assert [len(json.loads(r.body)) for r in one.requests] == [256, 45]

    asyncio.run(story())


def test_the_heartbeat_beats_while_all_is_well_and_is_resolved_at_once_when_it_is_not():
    async def story():
        ill, clock = ["store: starting"], Clock()
        async with receivers(1) as (one,):
            notifier = made([one.url], clock=clock, ill=lambda: ill)

            async def beat(second):
                one.requests.clear()
                await notifier.tend(NOW_MS + second * 1000)
                return [(a["labels"]["alertname"], a["endsAt"][11:19]) for a in posted(one)]

            assert await beat(0) == []
            ill.clear()
            assert await beat(15) == [("AiopsWatchdog", "22:18:35")]
            assert await beat(30) == []
            assert await beat(75) == [("AiopsWatchdog", "22:19:35")]
            ill.append("store: the disk is full")
            assert await beat(90) == [("AiopsWatchdog", "22:15:50")], "it stops at once"
            assert await beat(150) == [("AiopsWatchdog", "22:15:50")]
            assert await beat(400) == []
            ill.clear()
            assert await beat(415) == [("AiopsWatchdog", "22:25:15")]
            assert one.requests[0].headers.get("idempotency-key") is None
            await notifier.close()

    asyncio.run(story())


def test_a_clock_set_back_does_not_stop_the_heartbeat():
    async def story():
        async with receivers(1) as (one,):
            notifier = made([one.url], ill=list)
            await notifier.tend(NOW_MS + 3_600_000)
            await notifier.tend(NOW_MS)
            await notifier.close()
        assert len(posted(one)) == 2

    asyncio.run(story())


def test_a_hundred_kilobytes_of_text_are_cut_with_a_mark():
    async def story():
        long = replace(example().incident.alerts[0], description="x" * 100_000)
        async with receivers(1) as (one,):
            notifier = made([one.url])
            await notifier.send(replace(example(), incident=replace(example().incident, alerts=(long,))))
            await notifier.close()
        (alert,) = posted(one)
        assert len(alert["annotations"]["description"]) == 4000
        assert alert["annotations"]["description"].endswith("… [cut]")

    asyncio.run(story())


def test_a_store_that_fails_keeps_no_alert_from_being_sent_and_sent_again():
    async def story():
        store = BrokenReceipts()
        async with receivers(1) as (one,):
            notifier = OnlyNotifier(made([one.url], store), Rule(("critical",)), Receipts(store, "am"))
            await notifier.send(example())
            await notifier.inner.tend(NOW_MS)
            over = replace(example().incident, status="resolved", resolved_ms=NOW_MS, severity="warning")
            await notifier.send(replace(example(), key="k2", reason="resolved", incident=over))
            await notifier.close()
        assert [a["endsAt"][11:19] for a in posted(one)] == ["22:18:20", "22:18:20", "22:14:20", "22:14:20"]

    asyncio.run(story())


def test_an_end_that_could_not_be_sent_is_not_followed_by_firing_again():
    async def story():
        async with receivers(1) as (one,):
            notifier = made([one.url])
            await notifier.send(example())
            one.requests.clear()
            one.answers[:] = [Answer(503), Answer()]
            over = replace(example().incident, status="resolved", resolved_ms=NOW_MS)
            with pytest.raises(Retry):
                await notifier.send(replace(example(), key="k2", reason="resolved", incident=over))
            await notifier.tend(NOW_MS + MINUTE_MS)
            await notifier.close()
        assert {alert["endsAt"] for alert in posted(one)} == {"2023-11-14T22:14:20.000Z"}

    asyncio.run(story())
