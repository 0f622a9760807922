"""Posting that survives a crash: written down before, looked for if it is not known to have happened."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec

from aiops.errors import DeliveryError, Unsure
from aiops.notifiers._slack_api import Answer, SlackApi
from aiops.notifiers._slack_errors import Gone, Malformed
from aiops.notifiers._slack_message import Message
from aiops.notifiers._slack_state import SlackState
from aiops.notifiers._slack_thread import Thread

log = logging.getLogger(__name__)


def shown_hash(message: Message) -> str:
    """A short name of what a message shows."""
    return hashlib.blake2b(msgspec.json.encode((message.text, message.blocks)), digest_size=8).hexdigest()


class Poster:
    """Posts and edits what belongs to one incident.

    Parameters
    ----------
    clock : the wall clock, unix ms
    """

    def __init__(self, api: SlackApi, state: SlackState, clock: Callable[[], int]) -> None:
        self._api, self._state, self._clock = api, state, clock

    async def parent(self, incident_id: str, thread: Thread, message: Message, key: str) -> Thread:
        """Post the incident's own message. A post under way keeps its key, whoever asks again."""
        thread, ts = await self._once(incident_id, thread, message, thread.intent or key)
        thread = replace(thread, ts=ts, shown=shown_hash(message), intent="")
        await self._state.keep_thread(incident_id, thread)
        return thread

    async def reply(self, incident_id: str, thread: Thread, message: Message, name: str, key: str) -> Thread:
        """Say something in the thread, once per name.

        Raises
        ------
        Gone : the thread's first message was deleted; nothing of this reply is left
        """
        if thread.has(name):
            return thread
        thread, ts = await self._once(incident_id, thread, message, key, thread.ts)
        thread = replace(thread, replies=(*thread.replies, (name, ts)), intent="")
        await self._state.keep_thread(incident_id, thread)
        return thread

    async def post_once(self, channel: str, message: Message, key: str) -> None:
        """Post what belongs to no incident, once per key."""
        where = await self._state.channel_id(channel)
        since_ms = await self._state.report_intent_ms(key)
        if since_ms and await self._api.find(where, key, since_ms):
            return
        await self._state.keep_report_intent(key, since_ms or self._clock())
        try:
            await self._learn(channel, await self.post(where, message, key))
        except Unsure:
            raise
        except DeliveryError:
            await self._state.keep_report_intent(key, 0)
            raise

    async def edit(self, thread: Thread, message: Message, key: str) -> None:
        """Show something else. Raises `Gone` if it is not there any more."""
        channel = await self._state.channel_id(thread.channel)
        try:
            await self._api.update(channel, thread.ts, message, key)
        except Malformed as error:
            await self._api.update(channel, thread.ts, _words_only(message, error), key)

    async def edit_reply(self, thread: Thread, message: Message, name: str, key: str) -> None:
        """Show something else in a reply; one that was deleted stays deleted."""
        ts = dict(thread.replies).get(name, "")
        try:
            await self.edit(replace(thread, ts=ts), message, key)
        except Gone:
            log.info("slack reply is gone key=%s", key)

    async def _once(
        self, incident_id: str, thread: Thread, message: Message, key: str, thread_ts: str = ""
    ) -> tuple[Thread, str]:
        channel = await self._state.channel_id(thread.channel)
        if thread.intent == key and (found := await self._api.find(channel, key, thread.intent_ms, thread_ts)):
            return thread, found
        if thread.intent != key:
            thread = replace(thread, intent=key, intent_ms=self._clock())
            await self._state.keep_thread(incident_id, thread)
        try:
            answer = await self.post(channel, message, key, thread_ts)
        except Unsure:
            raise
        except DeliveryError:
            # Slack said no: there is nothing to look for.
            await self._state.keep_thread(incident_id, replace(thread, intent=""))
            raise
        await self._learn(thread.channel, answer)
        return thread, str(answer.get("ts", ""))

    async def post(self, channel: str, message: Message, key: str, thread_ts: str = "") -> Answer:
        """Post, in plain words if Slack does not take the blocks."""
        try:
            answer = await self._api.post(channel, message, key, thread_ts)
        except Malformed as error:
            answer = await self._api.post(channel, _words_only(message, error), key, thread_ts)
        posted = answer.get("message")
        if thread_ts and isinstance(posted, dict) and posted.get("thread_ts") != thread_ts:
            # Without its parent a reply lands in the channel, for everybody to wonder about.
            await self._api.delete(str(answer.get("channel", channel)), str(answer.get("ts", "")))
            raise Gone("chat.postMessage: the message that was answered is gone")
        return answer

    async def _learn(self, channel: str, answer: Answer) -> None:
        known = str(answer.get("channel", ""))
        if known and known != await self._state.channel_id(channel):
            await self._state.keep_channel_id(channel, known)


def _words_only(message: Message, error: Malformed) -> Message:
    log.error("slack refused the blocks of a message, its text is sent reason=%s", error)
    return Message(message.text)
