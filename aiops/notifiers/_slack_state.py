"""What the Slack notifier remembers, in the store: it outlives a restart, and goes with its incident."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from aiops import audit
from aiops.errors import StoreError
from aiops.model import Incident
from aiops.notifiers._slack_cap import ChannelHour, Digest
from aiops.notifiers._slack_click import Click
from aiops.notifiers._slack_thread import Thread
from aiops.notifiers.receipts import Receipts
from aiops.silence import Silence

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

    async def reported_ms(self) -> int | None:
        """The end of the week that was reported on last, unix ms; None = none yet."""
        text = await self._shared("reported")
        return int(text) if text else None

    async def keep_reported(self, end_ms: int) -> None:
        """Note that a week was reported on."""
        await self._receipts.keep("", {"reported": str(end_ms), "report": ""})

    async def report_intent_ms(self, key: str) -> int:
        """Since when a report may have been posted without our knowing, unix ms; 0 = it was not."""
        name, _, at_ms = (await self._shared("report")).partition(" ")
        return int(at_ms) if name == key else 0

    async def keep_report_intent(self, key: str, at_ms: int) -> None:
        """Note that a report is about to be posted; 0 = that it was not."""
        await self._receipts.keep("", {"report": f"{key} {at_ms}" if at_ms else ""})

    async def waiting_clicks(self) -> list[Click]:
        """Clicks nobody has dealt with, in the order in which they came."""
        kept = (await self._receipts.of("")).items()
        found = [_read(text, Click) for name, text in kept if name.startswith("click:")]
        return sorted((c for c in found if c is not None), key=lambda c: (c.received_ms, c.id))

    async def keep_click(self, click: Click) -> bool:
        """Keep a click until it is dealt with; False if it is known already."""
        name = f"click:{click.id}"
        if name in await self._receipts.of(click.incident_id) or name in await self._receipts.of(""):
            return False
        await self._receipts.keep("", {name: _written(click)})
        return True

    async def click_done(self, click: Click) -> None:
        """Note that a click was dealt with, for as long as its incident is kept."""
        if click.incident_id:
            await self._receipts.keep(click.incident_id, {f"click:{click.id}": "done"})
        await self._receipts.keep("", {f"click:{click.id}": ""})

    async def proposal(self, incident_id: str, proposal_id: str) -> Silence | None:
        """A silence nobody has decided on, with an id if it was made; None if there is none of that name."""
        return _read((await self._receipts.of(incident_id)).get(f"proposal:{proposal_id}", ""), Silence)

    async def keep_proposal(self, incident_id: str, proposal_id: str, proposal: Silence) -> None:
        """Keep a proposal until it is decided."""
        await self._receipts.keep(incident_id, {f"proposal:{proposal_id}": _written(proposal)})

    async def drop_proposal(self, incident_id: str, proposal_id: str) -> None:
        """Forget a proposal that was decided."""
        await self._receipts.keep(incident_id, {f"proposal:{proposal_id}": ""})

    async def audit(self, at_ms: int, line: str) -> None:
        """Keep a line of who did what, the latest `audit.MOST`."""
        await self._receipts.keep("", audit.added(await self._receipts.of(""), at_ms, line))

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
