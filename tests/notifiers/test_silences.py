"""What the real Alertmanager does not do on demand; the rest is in tests/services/test_alertmanager_out.py."""

from __future__ import annotations

import asyncio
import json

import pytest

from aiops.errors import Reject, Retry
from aiops.model import Event
from aiops.notifiers._replicas import Replicas
from aiops.notifiers._rest import Rest
from aiops.notifiers.checks import Answer, Receiver
from aiops.notifiers.silences import Silences
from aiops.silence import Matcher, Silence

NOW_MS = 1_700_000_000_000
ALERT = Event("e", NOW_MS, "cart", "alert", labels=(("service", "cart"),))


def row(name, *matchers, state="active", ends="2023-11-14T23:13:20.000Z"):
    return {
        "id": name,
        "status": {"state": state},
        "createdBy": "ann",
        "comment": "c",
        "endsAt": ends,
        "startsAt": "2023-11-14T22:00:00Z",
        "matchers": list(matchers),
    }


def is_cart(value="cart", **more):
    return {"name": "service", "value": value, "isRegex": False, **more}


def silences(*urls):
    return Silences(Replicas([Rest("alertmanager", url, timeout_s=5) for url in urls]), lambda: NOW_MS)


def reading(rows):
    """What is known after rows were read twice."""

    async def story():
        async with Receiver([Answer(body=json.dumps(rows).encode())]) as receiver:
            one = silences(receiver.url)
            assert await one.tend(NOW_MS) == await one.tend(NOW_MS) == 15.0
            await one.close()
            return one

    return asyncio.run(story())


def test_only_what_holds_now_or_later_is_kept():
    rows = [
        row("a", is_cart()),
        row("old", is_cart(), state="expired"),
        row("past", is_cart(), ends="2023-11-14T22:13:20Z"),
    ]
    assert [s.id for s in reading(rows).known] == ["a"]


def test_a_silence_that_cannot_be_read_is_said_once_and_silences_nothing(caplog):
    bad = [
        row("regex", is_cart("(", isRegex=True)),
        row("time", is_cart(), ends="tomorrow"),
        row("bare", "x"),
        {"id": "none"},
        "no silence",
    ]
    one = reading([*bad, row("good", is_cart())])
    assert [s.id for s in one.known] == ["good"]
    said = [r.getMessage() for r in caplog.records if "silence ignored" in r.getMessage()]
    assert [line.split()[2] for line in said] == ["id=regex", "id=time", "id=bare", "id=none", "id=?"]


def test_what_was_read_last_holds_while_no_replica_answers():
    async def story():
        async with Receiver([Answer(body=json.dumps([row("a", is_cart())]).encode())]) as receiver:
            one = silences(receiver.url)
            await one.tend(NOW_MS)
        with pytest.raises(Retry, match="no connection"):
            await one.tend(NOW_MS)
        assert one.why(ALERT).startswith("silenced by ann until 14 Nov 23:13 UTC")
        await one.close()

    asyncio.run(story())


def test_the_first_replica_that_answers_is_enough():
    async def story():
        async with Receiver() as gone:
            away = gone.url
        async with Receiver([Answer(body=b'{"silenceID": "s1"}')]) as receiver:
            one = silences(away, receiver.url)
            made = await one.create(Silence((Matcher("service", "cart"),), NOW_MS, NOW_MS + 60_000))
            await one.close()
        assert made == "s1"
        (sent,) = [json.loads(r.body) for r in receiver.requests]
        assert (sent["createdBy"], sent["comment"]) == ("aiops", "created in aiops")
        assert one.why(ALERT) == "silenced by aiops until 14 Nov 22:14 UTC: created in aiops"

    asyncio.run(story())


def test_a_refusal_says_why():
    async def story():
        async with Receiver([Answer(400, body=b'"bad matcher"')]) as receiver:
            one = silences(receiver.url)
            with pytest.raises(Reject, match="HTTP 400: bad matcher"):
                await one.create(Silence((), NOW_MS, NOW_MS + 60_000))
            assert one.known == ()
            await one.close()

    asyncio.run(story())
