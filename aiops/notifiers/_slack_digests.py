"""What is beyond the cap of a channel goes into one message an hour, which is edited as more comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aiops.errors import DeliveryError, NotYet, Unsure
from aiops.model import Notification
from aiops.notifiers import _slack_replies as replies
from aiops.notifiers._links import Links
from aiops.notifiers._slack_api import SlackApi
from aiops.notifiers._slack_cap import HOUR_MS, Digest
from aiops.notifiers._slack_errors import Gone
from aiops.notifiers._slack_message import Message
from aiops.notifiers._slack_post import Poster
from aiops.notifiers._slack_state import Incidents, SlackState
from aiops.notifiers._slack_thread import Thread

KEEP_MS = 7 * 24 * HOUR_MS
"""A digest is edited for so long when what is in it ends: chosen."""


class Digests:
    """Decides who gets a message of their own, and tells of the others.

    Parameters
    ----------
    cap : messages a channel gets in an hour
    clock : the wall clock, unix ms
    """

    def __init__(
        self,
        *,
        api: SlackApi,
        state: SlackState,
        incidents: Incidents,
        poster: Poster,
        cap: int,
        links: Links,
        clock: Callable[[], int],
    ) -> None:
        self._api, self._state, self._incidents, self._poster = api, state, incidents, poster
        self._cap, self._links, self._clock = cap, links, clock

    async def placed(self, incident_id: str, thread: Thread) -> Thread:
        """The thread of a new incident: with a message of its own, or held in a digest."""
        now_ms, channel = self._clock(), thread.channel
        hour = await self._state.channel(channel)
        if hour.is_full(self._cap, now_ms):
            begun = hour.with_digest(channel, now_ms)
            if begun != hour:
                await self._state.forget_digests(channel, now_ms - KEEP_MS)
            hour, thread = begun, replace(thread, held=begun.digest)
        else:
            hour = hour.with_post(now_ms)
        # The hour first: a crash in between counts a message too many, never one too few.
        await self._state.keep_channel(channel, hour)
        await self._state.keep_thread(incident_id, thread)
        return thread

    async def tell(self, note: Notification, thread: Thread) -> None:
        """Show what a notification is about in the digest.

        Raises
        ------
        NotYet : the digest was edited a moment ago; what is new waits for its turn, together
        """
        digest = await self._state.digest(thread.held, thread.channel)
        seen = dict(thread.replies).get(note.key, "")
        if not seen:
            digest = digest.with_change(note.incident.id)
            seen = str(digest.version)
            await self._state.keep_digest(thread.held, digest)
            thread = replace(thread, replies=(*thread.replies, (note.key, seen)))
            await self._state.keep_thread(note.incident.id, thread)
        if digest.shown >= int(seen):
            return
        now_ms = self._clock()
        if now_ms < (due_ms := digest.due_ms(now_ms)):
            raise NotYet("waits for the next edit of the digest", due_ms)
        await self._show(thread.held, digest, now_ms)

    async def _show(self, name: str, digest: Digest, now_ms: int) -> None:
        channel = await self._state.channel_id(digest.channel)
        message = await asyncio.to_thread(self._message, digest)
        if digest.ts:
            try:
                await self._poster.edit(Thread(digest.channel, digest.ts), message, name)
            except Gone:
                digest = replace(digest, ts="", intent_ms=0)
        if not digest.ts:
            digest = await self._posted(name, digest, channel, message)
        await self._state.keep_digest(name, replace(digest, shown=digest.version, edited_ms=now_ms, intent_ms=0))

    async def _posted(self, name: str, digest: Digest, channel: str, message: Message) -> Digest:
        if digest.intent_ms and (found := await self._api.find(channel, name, digest.intent_ms)):
            return replace(digest, ts=found)
        digest = digest if digest.intent_ms else replace(digest, intent_ms=self._clock())
        await self._state.keep_digest(name, digest)
        try:
            answer = await self._poster.post(channel, message, name)
        except Unsure:
            raise
        except DeliveryError:
            await self._state.keep_digest(name, replace(digest, intent_ms=0))
            raise
        return replace(digest, ts=str(answer.get("ts", "")))

    def _message(self, digest: Digest) -> Message:
        first = (self._incidents.incident(one) for one in digest.held[: replies.DIGEST_LINES])
        found = [incident for incident in first if incident is not None]
        return replies.digest(found, len(digest.held), self._cap, self._links)
