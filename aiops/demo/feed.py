"""The sender of the demo: a client of the service like any other, over HTTP.

Two weeks of the shop go to `/api/v1/write` as fast as they are taken, then the last forty minutes at an accelerated
pace, then one step a minute in real time. Deploys are told to `/api/v1/events` when their time comes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from aiops.demo.encode import HEADERS, encode_block, key_of
from aiops.demo.exporters import Exporters
from aiops.demo.shop import Shop
from aiops.demo.story import Deploy, Story
from aiops.errors import Refused, Unavailable
from aiops.model import F64, I64

log = logging.getLogger(__name__)

STEP_MS = 60_000
_STEPS_PER_BODY = 24  # some 9,000 samples: several times what Prometheus sends at once (chosen)
_STEPS_PER_STRETCH = 720  # half a day is simulated at once; 25 ms (measured)
_PATIENCE_S = 120.0  # of a sender whose receiver is starting up or overloaded, per request (chosen)


@dataclass(frozen=True, slots=True)
class Wall:
    """Wall time, so that tests can move it: `now()` in unix seconds, and an asynchronous `sleep(seconds)`."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sender is: `done` of `total` steps up to now, the time of the last sample, and waits so far."""

    done: int
    total: int
    time_ms: int
    waits: int


async def feed(
    url: str,
    story: Story,
    *,
    seed: int = 7,
    pace: float = 180.0,
    until_ms: int | None = None,
    wall: Wall | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Send the story to the service at `url` until cancelled, or until samples of `until_ms` are sent.

    Parameters
    ----------
    url : base of the service, such as http://127.0.0.1:8080
    story : what happens, from `aiops.demo.story.story`
    seed : of the shop's noise
    pace : seconds of the story per second of the wall, between `story.live_ms` and `story.now_ms`
    until_ms : last step to send; None = go on in real time
    wall : clock and sleep
    on_progress : called after each accepted body

    Raises
    ------
    Refused : the service answered 4xx
    Unavailable : it could not be reached, or was overloaded, for two minutes on end
    """
    wall = wall or Wall()
    async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
        sender = _Sender(client, story, seed, wall, on_progress)
        await sender.back_fill()
        return await sender.live(pace, until_ms)


class _Sender:
    def __init__(
        self,
        client: httpx.AsyncClient,
        story: Story,
        seed: int,
        wall: Wall,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.client, self.story, self.wall, self.on_progress = client, story, wall, on_progress
        self.shop = Shop(seed=seed, start_ms=story.start_ms, faults=story.faults)
        self.exporters = Exporters(seed=seed, restarts=story.restarts)
        self.keys = [key_of(labels) for labels in self.exporters.labels]
        self.deploys = list(story.deploys)
        self.total = (story.now_ms - story.start_ms) // STEP_MS
        self.progress = Progress(0, self.total, story.start_ms - STEP_MS, 0)

    async def back_fill(self) -> None:
        """Everything before `live_ms`, at full speed."""
        left = (self.story.live_ms - self.story.start_ms) // STEP_MS
        while left > 0:
            steps = min(left, _STEPS_PER_STRETCH)
            await self.send(steps)
            left -= steps

    async def live(self, pace: float, until_ms: int | None) -> Progress:
        """Step by step: accelerated up to `now_ms`, in real time from there."""
        began_s = self.wall.now()
        now_ms = self.story.now_ms
        time_ms = self.story.live_ms
        while until_ms is None or time_ms <= until_ms:
            paced_s = began_s + (time_ms - self.story.live_ms) / 1000 / pace
            await self.wait_until(paced_s if time_ms < now_ms else time_ms / 1000)
            await self.send(1)
            time_ms += STEP_MS
        return self.progress

    async def wait_until(self, at_s: float) -> None:
        """Sleep until a wall time; at once when it is past."""
        delay_s = at_s - self.wall.now()
        if delay_s > 0:
            await self.wall.sleep(delay_s)

    async def send(self, steps: int) -> None:
        """Simulate and send the next steps, telling of each deploy before the first sample that could show it."""
        shop = self.shop.take(steps)
        values = self.exporters.read(shop)
        row = 0
        while row < steps:
            await self.tell_deploys(int(shop.times[row]))
            end = self.next_cut(shop.times, row)
            await self.send_body(shop.times[row:end], values[row:end])
            row = end

    def next_cut(self, times: I64, row: int) -> int:
        """Where the body that begins at `row` ends: after its full length, or where the next deploy comes."""
        end = min(row + _STEPS_PER_BODY, len(times))
        while self.deploys and end > row + 1 and self.deploys[0].time_ms <= times[end - 1]:
            end -= 1
        return end

    async def tell_deploys(self, time_ms: int) -> None:
        while self.deploys and self.deploys[0].time_ms <= time_ms:
            await self.post("/api/v1/events", json=event_of(self.deploys.pop(0)))

    async def send_body(self, times: I64, values: F64) -> None:
        await self.post("/api/v1/write", content=encode_block(self.keys, times, values), headers=HEADERS)
        done, last_ms = self.progress.done + len(times), int(times[-1])
        self.progress = Progress(done, self.total, last_ms, self.progress.waits)
        if self.on_progress is not None:
            self.on_progress(self.progress)

    async def post(self, path: str, **body: object) -> None:
        """Send one request, again and again while the service says 503 or cannot be reached yet."""
        give_up_s = self.wall.now() + _PATIENCE_S
        delay_s = 0.05
        while True:
            try:
                answer = await self.client.post(path, **body)  # type: ignore[arg-type]
            except httpx.TransportError as error:
                reason, asked_s = type(error).__name__, 0.0
            else:
                if answer.is_success:
                    return
                if answer.status_code < 500:
                    raise Refused(f"{path} answered {answer.status_code}: {answer.text[:200]}")
                reason, asked_s = str(answer.status_code), _retry_after_s(answer)
            if self.wall.now() >= give_up_s:
                raise Unavailable(f"{path} took nothing for {_PATIENCE_S:.0f} s, last answer {reason}")
            log.debug("demo sender waits path=%s reason=%s", path, reason)
            p = self.progress
            self.progress = Progress(p.done, p.total, p.time_ms, p.waits + 1)
            await self.wall.sleep(max(asked_s, delay_s))
            delay_s = min(2 * delay_s, 2.0)


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return min(float(answer.headers.get("Retry-After", "0")), _PATIENCE_S)
    except ValueError:
        return 0.0


def event_of(deploy: Deploy) -> dict[str, str]:
    """A deploy as the events endpoint takes it."""
    time_text = datetime.fromtimestamp(deploy.time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    note = f": {deploy.note}" if deploy.note else ""
    return {
        "time": time_text,
        "service": deploy.service,
        "kind": "deploy",
        "description": f"{deploy.service} {deploy.version}{note}",
        "url": f"https://ci.example.invalid/{deploy.service}/{deploy.version}",
    }


__all__ = ["Progress", "Wall", "event_of", "feed"]
