"""Socket Mode against a WebSocket that Slack could have opened: acknowledged, reconnected, never logged."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aiops.errors import InputError, StoreError
from aiops.notifiers._slack_socket import SlackSocket
from aiops.secret import Secret
from tests.notifiers._fake_slack import FakeSlack, Fault
from tests.notifiers._slack_world import pressed


class Desk:
    """Takes payloads, or fails as told."""

    def __init__(self):
        self.got: list[object] = []
        self.faults: list[Exception] = []

    async def take(self, payload):
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(payload)


async def soon(box):
    """The next of what another thread puts there; the limit is for a machine that is busy."""
    return await asyncio.to_thread(box.get, timeout=60)


def run(story, *, app="xapp-good", faults=()):
    async def around(slack):
        desk, said, stop = Desk(), [], asyncio.Event()
        quick = {"watch_s": 0.01, "ping_s": 0.1, "first_s": 0.001, "patience_s": 0.005}
        socket = SlackSocket(Secret(app), desk.take, base_url=slack.url, well=said.append, **quick)
        running = asyncio.create_task(socket.run(stop))
        try:
            await story(slack, desk, said)
        finally:
            stop.set()
            await running

    with FakeSlack() as slack:
        slack.faults["apps.connections.open"].extend(faults)
        asyncio.run(around(slack))


def test_a_button_is_taken_and_its_envelope_acknowledged():
    async def story(slack, desk, said):
        await soon(slack.sockets.opened)
        envelope = slack.sockets.send(pressed("noise"))
        assert await soon(slack.sockets.acked) == envelope
        assert desk.got == [pressed("noise")]
        while "" not in said:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)

    run(story)


def test_what_could_not_be_written_down_is_not_acknowledged_and_comes_again():
    async def story(slack, desk, _):
        await soon(slack.sockets.opened)
        desk.faults.append(StoreError("the disk is full"))
        slack.sockets.send(pressed("noise"), envelope="e1")
        slack.sockets.send(pressed("noise"), envelope="e2")
        assert await soon(slack.sockets.acked) == "e2"
        assert len(desk.got) == 1
        assert slack.sockets.acked.empty()

    run(story)


def test_what_can_never_be_read_and_what_is_not_for_us_is_acknowledged_so_that_it_does_not_come_again():
    async def story(slack, desk, _):
        await soon(slack.sockets.opened)
        desk.faults.append(InputError("payload: nonsense"))
        first = slack.sockets.send({"type": "?"})
        assert await soon(slack.sockets.acked) == first
        second = slack.sockets.send({"event": {}}, kind="events_api")
        assert await soon(slack.sockets.acked) == second
        assert desk.got == []

    run(story)


@pytest.mark.parametrize("how", ["disconnect", "end"])
def test_a_connection_that_ends_is_opened_again_with_a_new_ticket(how):
    async def story(slack, desk, _):
        first = await soon(slack.sockets.opened)
        getattr(slack.sockets, how)()
        assert await soon(slack.sockets.opened) != first
        slack.sockets.send(pressed("real"))
        await soon(slack.sockets.acked)
        assert (len(desk.got), slack.sockets.refused) == (1, 0)

    run(story)


def test_a_token_that_is_refused_is_told_and_tried_again_less_and_less_often():
    async def story(slack, _, said):
        while not said:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
        assert said == ["Socket Mode: no connection, buttons do not work (invalid_auth)"]
        slack.app_tokens.add("xapp-late")
        await soon(slack.sockets.opened)
        while said[-1]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)

    run(story, app="xapp-late")


def test_a_slack_that_does_not_answer_is_asked_again():
    async def story(slack, *_):
        await soon(slack.sockets.opened)
        assert slack.methods().count("apps.connections.open") == 3

    run(story, faults=[Fault(), Fault(503)])


def test_neither_token_nor_ticket_is_ever_logged(caplog):
    caplog.set_level(logging.DEBUG)

    async def story(slack, desk, _):
        await soon(slack.sockets.opened)
        desk.faults.append(StoreError("the disk is full"))
        slack.sockets.send(pressed("noise"))
        slack.sockets.send(pressed("noise"))
        await soon(slack.sockets.acked)

    run(story)
    assert "xapp-good" not in caplog.text
    assert "secret-ticket" not in caplog.text
    assert "it comes again reason=StoreError" in caplog.text
