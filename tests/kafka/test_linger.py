from __future__ import annotations

import asyncio

import pytest

from aiops.kafka.linger import REMEMBERED, Linger
from tests.kafka._log import run


async def is_over(linger):
    try:
        async with asyncio.timeout(0.01):
            await linger.over()
    except TimeoutError:
        return False
    return True


def send(linger, requests):
    for _ in range(requests):
        linger.came()
    linger.sent()
    linger.answered()


def test_those_that_came_wait_for_no_more_once_they_are_as_many_as_ever_came():
    async def story():
        linger = Linger(60.0)
        send(linger, 3)
        found = []
        for _ in range(3):
            linger.came()
            found.append(await is_over(linger))
        return found

    assert run(story()) == [False, False, True]


@pytest.mark.parametrize(("times", "over"), [(REMEMBERED - 1, False), (REMEMBERED, True)])
def test_a_sender_that_is_gone_is_forgotten(times, over):
    async def story():
        linger = Linger(60.0)
        send(linger, 3)
        for _ in range(times):
            send(linger, 2)
        linger.came()
        linger.came()
        return await is_over(linger)

    assert run(story()) is over


@pytest.mark.parametrize("answered", [False, True])
def test_a_request_that_comes_before_any_answer_shows_that_there_are_more_senders(answered):
    async def story():
        linger = Linger(60.0)
        linger.came()
        assert await is_over(linger)
        linger.sent()
        if answered:
            linger.answered()
        linger.came()
        return await is_over(linger)

    assert run(story()) is answered


def test_nobody_waits_longer_than_is_set():
    async def story():
        linger = Linger(0.001)
        send(linger, 2)
        linger.came()
        async with asyncio.timeout(10.0):
            await linger.over()

    run(story())
