"""A wall clock that jumps while alerts and samples come: each alert is told once, and samples are taken again."""

import asyncio
import time

import httpx
import pytest

from aiops import config
from aiops.app import build
from aiops.demo.encode import HEADERS, encode
from tests.bad_input._told import alert, metric, opened, requests_of, settings
from tests.services._aiops_process import free_port

HOUR_S = 3600.0


class Wall:
    """A clock that runs as it should, and can be set."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class Run:
    """The service in this process, with a sender of samples whose clock is right."""

    def __init__(self, folder, receiver) -> None:
        self.wall, self.receiver = Wall(), receiver
        port = free_port()
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30.0)
        text = f"listen: {{port: {port}}}\n{settings(folder, receiver)}"
        self.service = build(config.parse(text, where="test", beside=folder), base=folder, wall=self.wall)
        self._stop = asyncio.Event()

    async def __aenter__(self):
        self._running = asyncio.create_task(self.service.run(self._stop))
        await self.until(self.is_there, 180)
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_):
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._stop.set()
        await self._running
        await self.client.aclose()

    async def is_there(self):
        try:
            return (await self.client.get("/-/ready")).is_success
        except httpx.TransportError:
            return False

    async def _send(self):
        while True:
            body = encode([(requests_of("cart"), [(int(time.time() * 1000), time.time() % 1e6)])])
            answer = await self.client.post("/api/v1/write", content=body, headers=HEADERS)
            assert answer.status_code == 204
            await asyncio.sleep(0.2)

    async def tell(self, island, *, ended=False):
        """Post an alert with the times of a right clock."""
        answer = await self.client.post("/webhooks/alertmanager", json=alert(island, ended=ended))
        assert answer.status_code == 202

    async def until(self, is_so, limit_s=25):
        """Wait for something of a real service; its own clock is the test's, not the loop's."""
        async with asyncio.timeout(limit_s):
            while not await is_so():
                assert not self._running.done()
                await asyncio.sleep(0.05)

    async def told(self, island, reason="opened"):
        async def is_told():
            return (island, reason) in self.reasons()

        await self.until(is_told)

    def reasons(self):
        return [(s, t.body["reason"]) for t in list(self.receiver.taken) for s in t.body["incident"]["services"]]

    async def value(self, name, **labels):
        return metric((await self.client.get("/metrics")).text, name, **labels)

    async def samples_come(self):
        before = await self.value("aiops_samples_total", source="push")

        async def more():
            return await self.value("aiops_samples_total", source="push") > before

        await self.until(more)


@pytest.mark.parametrize("jump_s", [2 * HOUR_S, -2 * HOUR_S, 72 * HOUR_S, -72 * HOUR_S])
def test_a_clock_that_jumps_and_comes_back_loses_and_repeats_no_notification(tmp_path, receiver, jump_s):
    async def run():
        receiver.taken.clear()
        async with Run(tmp_path, receiver) as service:
            await service.samples_come()
            await service.tell("island-0")
            await service.told("island-0")
            service.wall.ahead_s = jump_s
            await service.tell("island-1")
            await service.told("island-1")
            # The clock is set right before the group wait of this one is over.
            await service.tell("island-2")
            service.wall.ahead_s = 0.0
            await service.told("island-2")
            await service.tell("island-3")
            await service.told("island-3")
            await service.samples_come()
            for island in ("island-0", "island-3"):
                await service.tell(island, ended=True)
                await service.told(island, "resolved")
            assert await service.is_there()

    asyncio.run(run())
    assert len(opened(receiver)) == len(set(opened(receiver)))
    keys = [taken.body["key"] for taken in receiver.taken]
    assert len(keys) == len(set(keys))
    assert not [t.body["reason"] for t in receiver.taken if t.body["reason"] not in ("opened", "resolved")]
