"""What the Slack notifier remembers, in the store: it outlives a restart, and goes with its incident."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from aiops.errors import StoreError
from aiops.model import Incident
from aiops.notifiers._slack_cap import ChannelHour, Digest
from aiops.notifiers._slack_thread import Thread
from aiops.notifiers.receipts import Receipts

T = TypeVar("T")


class Incidents(Protocol):
    """Incidents as they are saved."""

    def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        ...

    def case(self, incident_id: str) -> bytes | None:
        """What the ranker was shown of it."""
        ...


class SlackState:
    """Threads by incident, hours by channel, ids by channel name. Every method may raise `StoreError`."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    async def thread(self, incident_id: str) -> Thread:
        """The message of an incident."""
        return _read((await self._receipts.of(incident_id)).get("thread", ""), Thread) or Thread()

    async def keep_thread(self, incident_id: str, thread: Thread) -> None:
        """Keep it; it is on the disk when this returns."""
        await self._receipts.keep(incident_id, {"thread": _written(thread)})

    async def channel(self, channel: str) -> ChannelHour:
        """What a channel got lately."""
        return _read(await self._shared(f"channel:{channel}"), ChannelHour) or ChannelHour()

    async def digest(self, name: str, channel: str) -> Digest:
        """A digest of a channel."""
        return _read(await self._shared(name), Digest) or Digest(channel)

    async def keep_channel(self, channel: str, hour: ChannelHour) -> None:
        """Keep what a channel got."""
        await self._receipts.keep("", {f"channel:{channel}": _written(hour)})

    async def keep_digest(self, name: str, digest: Digest) -> None:
        """Keep a digest."""
        await self._receipts.keep("", {name: _written(digest)})

    async def forget_digests(self, channel: str, before_ms: int) -> None:
        """Forget digests of a channel that were begun before."""
        prefix = f"digest:{channel}:"
        names = [name for name in await self._receipts.of("") if name.startswith(prefix)]
        old = {name: "" for name in names if int(name.removeprefix(prefix)) < before_ms}
        if old:
            await self._receipts.keep("", old)

    async def channel_id(self, channel: str) -> str:
        """The id of a channel that is configured by name, once it is known; else what was given."""
        return await self._shared(f"id:{channel}") or channel

    async def keep_channel_id(self, channel: str, known: str) -> None:
        """Remember the id, so that a new name of the channel changes nothing."""
        await self._receipts.keep("", {f"id:{channel}": known})

    async def waiting(self) -> dict[str, str]:
        """Clicks nobody has dealt with, by their id, as they were kept."""
        prefix = "click:"
        found = (await self._receipts.of("")).items()
        return {name.removeprefix(prefix): text for name, text in found if name.startswith(prefix) and text != "done"}

    async def keep_click(self, click_id: str, text: str) -> bool:
        """Keep a click until it is dealt with; False if it is known already."""
        if f"click:{click_id}" in await self._receipts.of(""):
            return False
        await self._receipts.keep("", {f"click:{click_id}": text})
        return True

    async def _shared(self, name: str) -> str:
        return (await self._receipts.of("")).get(name, "")


def _written(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(text: str, kind: type[T]) -> T | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreError(f"what is kept of Slack's messages cannot be read ({kind.__name__}): {error}") from error
