"""A source that finds out what there is when its server first answers."""

from __future__ import annotations

import asyncio

import pytest

from aiops.errors import Refused, Unavailable
from aiops.series import SeriesTable
from aiops.sources.auto import LONGEST_WAIT_S, AutoSource
from tests.runners._world import Feed, row_ms


def auto(answers):
    waits, reasons = [], []

    async def find():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(seconds):
        waits.append(seconds)

    return AutoSource("prom", SeriesTable(), 30.0, find=find, failed=reasons.append, sleep=sleep), waits, reasons


def read(source, after):
    async def collect():
        return [batch async for batch in source.read(after)]

    return asyncio.run(collect())


def test_it_waits_longer_and_longer_until_the_server_answers_and_then_gives_what_it_has():
    feed = Feed(size=50)
    source, waits, reasons = auto([Unavailable(f"no {i}") for i in range(8)] + [feed])
    batches = read(source, row_ms(719))
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert reasons == [f"no {i}" for i in range(8)]
    assert [b.position for b in batches] == [row_ms(769), row_ms(819)]
    assert source.found is feed


def test_read_again_it_does_not_look_again():
    feed = Feed(size=50)
    source, waits, _ = auto([feed])
    read(source, None)
    read(source, row_ms(769))
    assert feed.asked == [None, row_ms(769)]
    assert waits == []


def test_a_refusal_comes_out():
    source, waits, reasons = auto([Refused("401")])
    with pytest.raises(Refused, match="401"):
        read(source, None)
    assert (waits, reasons, source.found) == ([], [], None)
