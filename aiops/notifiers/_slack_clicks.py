"""Buttons pressed in Slack: written down before Slack is told that we have them, done afterwards, once each.

Whatever comes of one is an audit line, in the store and in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

from aiops import words
from aiops.errors import AiopsError, DeliveryError, NotYet, Retry, StoreError
from aiops.model import Incident
from aiops.notifiers import _slack_buttons as names
from aiops.notifiers import _slack_replies as replies
from aiops.notifiers._slack_box import ClickBox
from aiops.notifiers._slack_click import Click
from aiops.notifiers._slack_desk import Desk, described
from aiops.notifiers._slack_text import plain
from aiops.notifiers._slack_thread import Note
from aiops.notifiers.slack import SlackNotifier
from aiops.silence import Silence

log = logging.getLogger(__name__)

AGAIN_S = 30.0
"""Clicks that could not be done are tried again after this: chosen."""
GIVE_UP_MS = 3_600_000
"""... and no longer than this: who pressed has long done something else."""


@dataclass(frozen=True, slots=True)
class ClickRules:
    """Who may press buttons, and how long a silence is.

    Parameters
    ----------
    users : Slack's ids of people; empty = everybody who sees the message
    silence_s : from the first click
    """

    users: Collection[str] = ()
    silence_s: float = 7200.0


class SlackClicks:
    """Takes clicks and does what they ask for.

    Parameters
    ----------
    clock : the wall clock, unix ms
    look_s : clicks that others have written down are looked for so often
    """

    def __init__(
        self,
        notifier: SlackNotifier,
        *,
        desk: Desk,
        rules: ClickRules,
        clock: Callable[[], int],
        look_s: float = AGAIN_S,
    ) -> None:
        self._box = box = ClickBox(notifier.state, clock)
        self._look_s = look_s
        self._put_off = set[str]()
        self._notifier = notifier
        self._api, self._state, self._incidents = notifier.api, notifier.state, notifier.incidents
        self._desk, self._rules, self._clock = desk, rules, clock
        self.take, self.refused = box.take, box.refused

    async def run(self, stop: asyncio.Event) -> None:
        """Do what was pressed, also before a restart, until `stop` is set."""
        stopping, tried_ms = asyncio.create_task(stop.wait()), self._clock()
        try:
            while not stop.is_set():
                self._box.came.clear()
                now_ms = self._clock()
                again = not tried_ms <= now_ms < tried_ms + AGAIN_S * 1000
                tried_ms = now_ms if again else tried_ms
                try:
                    await self.work(again=again)
                except StoreError as error:
                    log.warning("slack clicks wait reason=%s", error)
                came = asyncio.create_task(self._box.came.wait())
                await asyncio.wait({came, stopping}, timeout=self._look_s, return_when=asyncio.FIRST_COMPLETED)
                came.cancel()
        finally:
            stopping.cancel()

    async def work(self, *, again: bool = True) -> None:
        """Do all that waits, in the order in which it came. Raises `StoreError`.

        Parameters
        ----------
        again : also try those that could not be done before
        """
        for click in await self._state.waiting_clicks():
            if click.id in self._put_off and not again:
                continue
            try:
                outcome = await self._done(click)
            except (NotYet, Retry) as error:
                if self._clock() - click.received_ms < GIVE_UP_MS:
                    log.warning("slack click waits action=%s reason=%s", plain(click.action), error)
                    self._put_off.add(click.id)
                    continue
                outcome = f"given up: {error}"
            except StoreError:
                raise
            except AiopsError as error:
                outcome = f"refused: {error}"
                await self._whisper(click, str(error))
            except Exception as error:
                # One button that fails must not keep the others from working; what it says may hold secrets.
                log.exception("slack click failed")
                outcome = f"failed: {type(error).__name__}"
                await self._whisper(click, "that failed, see the log of the service")
            self._put_off.discard(click.id)
            await self._box.audit(click, outcome)
            await self._state.click_done(click)

    # -- inside

    async def _done(self, click: Click) -> str:
        if self._rules.users and click.user not in self._rules.users:
            await self._whisper(click, "you are not among those who may use these buttons (`users` in the settings)")
            return "refused: not among users"
        incident = await asyncio.to_thread(self._incidents.incident, click.incident_id)
        if incident is None:
            await self._whisper(click, "this incident is not kept here any more")
            return "refused: no such incident"
        if click.action == names.ACKNOWLEDGE:
            return await self._acknowledge(click, incident)
        if click.action in names.VERDICTS:
            return await self._verdict(click, incident)
        if click.action == names.SILENCE:
            return await self._propose(click, incident)
        if click.action in (names.CONFIRM, names.CANCEL):
            return await self._decide(click, incident)
        if click.action == names.TICKET:
            return await self._ticket(click, incident)
        await self._whisper(click, "this version of the service does not know that button")
        return "refused: no such button"

    async def _acknowledge(self, click: Click, incident: Incident) -> str:
        before = (await self._state.thread(incident.id)).note("acknowledged")
        if before is not None:
            await self._whisper(click, f"<@{before.user}> has acknowledged it at {words.clock(before.at_ms)}")
            return "acknowledged already"
        await self._note(click, incident, "", "")
        if self._desk.acknowledge is not None:
            try:
                await self._desk.acknowledge(incident, click.user_name)
            except DeliveryError as error:
                # Here it is acknowledged all the same; whoever pressed should know that the pager may go on.
                await self._whisper(click, f"those who page could not be told: {error}")
                return "acknowledged, those who page were not told"
        return "acknowledged"

    async def _verdict(self, click: Click, incident: Incident) -> str:
        if self._desk.verdict is None:
            return await self._cannot(click, "verdicts are not taken here")
        changed = await self._desk.verdict(incident.id, click.action, who=click.user_name, key=click.id)
        await self._note(click, incident, click.action, "")
        effect = "; ".join(plain(line, 300) for line in changed) or "it changes nothing"
        await self._whisper(click, f"noted as *{click.action}*: {effect}")
        return f"verdict {click.action}"

    async def _propose(self, click: Click, incident: Incident) -> str:
        if self._desk.silences is None:
            return await self._cannot(click, "nothing can be silenced here: no Alertmanager is set up")
        proposal = self._desk.silences.propose(incident, self._rules.silence_s, click.user_name)
        await self._state.keep_proposal(incident.id, click.id, proposal)
        message = replies.silence_proposed(described(proposal), click.user, f"{incident.id} {click.id}")
        await self._notifier.say(incident.id, message, f"silence:{click.id}", f"{click.id}:silence")
        return f"proposed a silence: {described(proposal)}"

    async def _decide(self, click: Click, incident: Incident) -> str:
        proposal = await self._state.proposal(incident.id, click.proposal)
        if proposal is None:
            return await self._cannot(click, "this proposal was decided already")
        if click.action == names.CANCEL:
            outcome = "not silenced"
        elif proposal.ends_ms <= self._clock() and not proposal.id:
            outcome = "not silenced: the time proposed is over, press Silence again"
        else:
            outcome = await self._silence(click, incident, proposal)
        await self._state.drop_proposal(incident.id, click.proposal)
        message = replies.silence_decided(outcome, click.user)
        await self._notifier.amend(incident.id, message, f"silence:{click.proposal}", f"{click.id}:silence")
        return outcome

    async def _silence(self, click: Click, incident: Incident, proposal: Silence) -> str:
        assert self._desk.silences is not None
        if not proposal.id:
            # Whoever says yes makes it. Should showing it fail afterwards, it must not be made again.
            proposal = replace(proposal, created_by=click.user_name)
            proposal = replace(proposal, id=await self._desk.silences.create(proposal) or "made")
            await self._state.keep_proposal(incident.id, click.proposal, proposal)
        await self._note(replace(click, action="silence"), incident, f"Silenced {described(proposal)}", "")
        return f"silenced {described(proposal)}, silence {proposal.id}"

    async def _ticket(self, click: Click, incident: Incident) -> str:
        if self._desk.ticket is None:
            return await self._cannot(click, "no ticket system is set up")
        ticket = await self._desk.ticket(incident, click.user_name)
        await self._note(click, incident, ticket.name, ticket.url)
        return f"ticket {ticket.name}"

    async def _note(self, click: Click, incident: Incident, text: str, url: str) -> None:
        kind = replies.NOTE_KINDS[click.action]
        note = Note(kind, text, click.user, self._clock(), url)
        await self._notifier.redraw(incident.id, lambda thread: thread.noted(note))

    async def _cannot(self, click: Click, why: str) -> str:
        await self._whisper(click, why)
        return f"refused: {why}"

    async def _whisper(self, click: Click, text: str) -> None:
        """Tell only the one who pressed; that they hear of it is a courtesy."""
        with suppress(DeliveryError):
            await self._api.whisper(click.channel, click.user, f"{text[:1].upper()}{text[1:]}.", click.thread_ts)
