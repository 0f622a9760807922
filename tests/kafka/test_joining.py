"""How a worker joins the groups of its roles; no Kafka."""

from __future__ import annotations

import asyncio

import pytest

from aiops._worker_roles import Begun
from aiops.errors import Unavailable
from aiops.workers import _joined


class Group:
    """Joins once it is let; notes when it has begun to."""

    def __init__(self, begun, fault=None):
        self.begun, self.fault, self.let = begun, fault, asyncio.Event()

    async def start(self):
        self.begun.append(self)
        await self.let.wait()
        if self.fault:
            raise self.fault


async def steps():
    for _ in range(10):
        await asyncio.sleep(0)


def test_roles_join_at_once_and_the_groups_of_one_role_in_order():
    async def story():
        begun = []
        detect, hears, decides = (Group(begun) for _ in range(3))
        joining = asyncio.create_task(_joined([Begun([detect]), Begun([hears, decides]), Begun()]))
        await steps()
        assert begun == [detect, hears]
        hears.let.set()
        await steps()
        assert begun == [detect, hears, decides]
        decides.let.set()
        await steps()
        assert not joining.done()
        detect.let.set()
        await joining

    asyncio.run(story())


def test_a_group_that_cannot_be_joined_is_told_once_no_other_is_half_way():
    async def story():
        begun = []
        lost, slow = Group(begun, Unavailable("no broker")), Group(begun)
        joining = asyncio.create_task(_joined([Begun([lost]), Begun([slow])]))
        lost.let.set()
        await steps()
        assert not joining.done()
        slow.let.set()
        with pytest.raises(Unavailable, match="no broker"):
            await joining

    asyncio.run(story())
