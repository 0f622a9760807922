"""One Slack message per incident, edited in place; details, chart and what changes go into its thread.

Rule 1. What is about to be posted is written down before, and that it was posted after. What is written down and not
known to be posted is looked for first: Slack has no idempotency keys, and two messages are worse than one late one.
Rule 2. A message shows the incident as it is saved now, whatever the notification that set it off was about: an old
notification never puts an old state over a newer one. Replies say what their notification says.
Rule 3. What a caller has given up waiting for goes on to its end, and the next one waits for it.
Rule 4. The chart is a help, not news: it is tried once and may fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from aiops.errors import DeliveryError, NotYet
from aiops.model import Incident, Notification
from aiops.notifiers import _slack_replies as replies
from aiops.notifiers._base import Receipt
from aiops.notifiers._links import Links
from aiops.notifiers._slack_api import SlackApi
from aiops.notifiers._slack_blocks import incident_message
from aiops.notifiers._slack_digests import Digests
from aiops.notifiers._slack_errors import Gone, TokenRefused
from aiops.notifiers._slack_message import Message
from aiops.notifiers._slack_post import Poster, shown_hash
from aiops.notifiers._slack_report import LOOK_S, Make, WeeklyReport
from aiops.notifiers._slack_route import Route, channel_of
from aiops.notifiers._slack_state import Incidents, SlackState
from aiops.notifiers._slack_thread import Thread
from aiops.notifiers._slo import burns_fast

log = logging.getLogger(__name__)

MOST_ANEW = 1
"""A message that is deleted is posted again once: who deletes it twice does not want it."""
_REPLIES = {"cause changed": replies.cause_changed, "resolved": replies.resolved, "flapping": replies.flapping}


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """What can be set.

    Parameters
    ----------
    channel, routes : where incidents go; the first route that fits wins
    gather_s, fast_gather_s : how long after its notification a message waits, and if an SLO burns fast
    objective : share of requests that must succeed; a burn rate is counted against the rest
    cap_per_hour : messages of incidents in one channel; more become one digest
    offered : buttons that are shown, see `buttons_of`
    """

    channel: str
    routes: tuple[Route, ...] = ()
    gather_s: float = 0.0
    fast_gather_s: float = 0.0
    objective: float = 0.999
    cap_per_hour: int = 20
    links: Links = field(default_factory=Links)
    offered: tuple[str, ...] = ()


class SlackNotifier:
    """Tells a Slack workspace.

    Parameters
    ----------
    incidents : incidents as they are saved
    clock : the wall clock, unix ms
    chart : draws an incident as PNG; None = no chart
    well : told why Slack cannot be reached for good, "" once it can
    """

    def __init__(
        self,
        api: SlackApi,
        state: SlackState,
        incidents: Incidents,
        settings: SlackSettings,
        *,
        clock: Callable[[], int],
        chart: Callable[[Incident, bytes], bytes | None] | None = None,
        well: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.api, self.state, self.incidents, self._settings = api, state, incidents, settings
        self._clock, self._chart, self._well = clock, chart, well
        self._poster = Poster(api, state, clock)
        self._digests = Digests(
            api=api,
            state=state,
            incidents=incidents,
            poster=self._poster,
            cap=settings.cap_per_hour,
            links=settings.links,
            clock=clock,
        )
        self._weekly: WeeklyReport | None = None
        self._one = asyncio.Lock()
        self._under_way: set[asyncio.Task[Receipt]] = set()

    async def send(self, notification: Notification) -> Receipt:
        """Tell it.

        Raises
        ------
        NotYet : it gathers, or the digest it belongs to was edited a moment ago
        Retry : Slack is busy or did not answer
        Reject : Slack refuses it; TokenRefused: it refuses everything
        """
        task = asyncio.create_task(self._told(notification))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what is under way end: it may have been posted, and that must be written down."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def offer(self, buttons: Sequence[str]) -> None:
        """Show these buttons from now on, see `buttons_of`."""
        self._settings = replace(self._settings, offered=tuple(buttons))

    def report(self, make: Make) -> None:
        """Post the weekly report from now on."""
        self._weekly = WeeklyReport(self.state, self._poster, self._settings.channel, make)

    async def tend(self, now_ms: int) -> float:
        """Post the weekly report if it is due; gives the seconds until it may be. Raises as `send` does."""
        async with self._one:
            return await self._weekly.tend(now_ms) if self._weekly else LOOK_S

    async def redraw(self, incident_id: str, change: Callable[[Thread], Thread]) -> Thread:
        """Note something about an incident's message and show it there. Raises as `send` does."""
        async with self._one:
            thread = change(await self.state.thread(incident_id))
            await self.state.keep_thread(incident_id, thread)
            incident = await asyncio.to_thread(self.incidents.incident, incident_id)
            if incident is None or not thread.ts:
                return thread
            return await self._shown(incident, thread, f"{incident_id}:anew")

    async def say(self, incident_id: str, said: Message, name: str, key: str) -> None:
        """Say something in an incident's thread, once per name. Raises as `send` does."""
        async with self._one:
            thread = await self.state.thread(incident_id)
            if thread.ts:
                await self._poster.reply(incident_id, thread, said, name, key)

    async def amend(self, incident_id: str, said: Message, name: str, key: str) -> None:
        """Let something that was said in a thread show something else. Raises as `send` does."""
        async with self._one:
            thread = await self.state.thread(incident_id)
            if thread.has(name):
                await self._poster.edit_reply(thread, said, name, key)

    # -- inside

    def _ended(self, task: asyncio.Task[Receipt]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Nobody may be waiting any more; what it says was logged or is tried again.
            task.exception()

    async def _told(self, note: Notification) -> Receipt:
        async with self._one:
            try:
                ts = await self._tell(note)
            except TokenRefused as error:
                self._well(str(error))
                raise
        self._well("")
        return Receipt(ts)

    async def _tell(self, note: Notification) -> str:
        incident = await self._newest(note.incident)
        thread = await self.state.thread(incident.id)
        if not thread.channel:
            self._wait_for_others(note, incident)
            channel = channel_of(incident, self._settings.routes, self._settings.channel)
            thread = await self._digests.placed(incident.id, replace(thread, channel=channel))
        if thread.held:
            await self._digests.tell(note, thread)
            return ""
        if thread.anew > MOST_ANEW:
            return ""
        thread = await self._shown(incident, thread, note.key)
        thread = await self._details(incident, thread, note)
        try:
            return (await self._reply(incident, thread, note)).ts
        except Gone:
            # Deleted between the edit and the reply.
            thread = await self._shown(incident, await self._lost(incident.id, thread), note.key)
            return (await self._reply(incident, thread, note)).ts

    async def _newest(self, told: Incident) -> Incident:
        saved = await asyncio.to_thread(self.incidents.incident, told.id)
        return saved if saved is not None and saved.updated_ms >= told.updated_ms else told

    def _wait_for_others(self, note: Notification, incident: Incident) -> None:
        one = self._settings
        wait_s = one.fast_gather_s if burns_fast(incident, one.objective) else one.gather_s
        due_ms = note.created_ms + round(wait_s * 1000)
        # What was created after now was so by a clock that has been set back since: it has waited long enough.
        if note.reason == "opened" and note.created_ms <= self._clock() < due_ms:
            raise NotYet(f"gathers for {wait_s:g} s", due_ms)

    async def _shown(self, incident: Incident, thread: Thread, key: str) -> Thread:
        """The message as it should be: posted, edited, or posted anew if somebody has deleted it."""
        message = incident_message(incident, thread, self._settings.links, self._settings.offered)
        if not thread.ts:
            return await self._poster.parent(incident.id, thread, message, key)
        if thread.shown == shown_hash(message):
            return thread
        try:
            await self._poster.edit(thread, message, key)
        except Gone:
            thread = await self._lost(incident.id, thread)
            if thread.anew > MOST_ANEW:
                return thread
            return await self._poster.parent(incident.id, thread, message, f"{key}:anew")
        thread = replace(thread, shown=shown_hash(message))
        await self.state.keep_thread(incident.id, thread)
        return thread

    async def _lost(self, incident_id: str, thread: Thread) -> Thread:
        """Somebody deleted the message, and with it the thread."""
        log.info("slack message is gone incident=%s times=%d", incident_id, thread.anew + 1)
        thread = replace(thread, ts="", shown="", replies=(), intent="", anew=thread.anew + 1)
        await self.state.keep_thread(incident_id, thread)
        return thread

    async def _details(self, incident: Incident, thread: Thread, note: Notification) -> Thread:
        if not thread.ts:
            return thread
        key, said = f"{note.key}:details", replies.details(incident)
        if not thread.has("details"):
            thread = await self._poster.reply(incident.id, thread, said, "details", key)
        elif note.reason == "cause changed":
            await self._poster.edit_reply(thread, said, "details", key)
        if self._chart is not None and not thread.has("chart"):
            thread = replace(thread, replies=(*thread.replies, ("chart", "")))
            await self.state.keep_thread(incident.id, thread)
            await self._draw(incident, thread)
        return thread

    async def _reply(self, incident: Incident, thread: Thread, note: Notification) -> Thread:
        said = _REPLIES.get(note.reason)
        if said is None or not thread.ts:
            return thread
        return await self._poster.reply(incident.id, thread, said(note.incident), note.key, note.key)

    async def _draw(self, incident: Incident, thread: Thread) -> None:
        assert self._chart is not None
        case = await asyncio.to_thread(self.incidents.case, incident.id)
        try:
            data = await asyncio.to_thread(self._chart, incident, case) if case else None
            if data:
                channel = await self.state.channel_id(thread.channel)
                title = replies.chart_title(incident)
                await self.api.upload(channel, thread.ts, data=data, name=f"{incident.id}.png", title=title)
        except DeliveryError as error:
            log.warning("no chart in slack incident=%s reason=%s", incident.id, error)
        except Exception:
            # Whatever is wrong with a picture, the words have arrived.
            log.exception("no chart incident=%s", incident.id)
