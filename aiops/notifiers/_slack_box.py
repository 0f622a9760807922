"""Where clicks wait, in the store: written down before Slack is told that we have them, by whoever was called."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiops.notifiers._slack_click import Click, read_click
from aiops.notifiers._slack_state import SlackState
from aiops.notifiers._slack_text import plain

log = logging.getLogger(__name__)


class ClickBox:
    """Takes clicks for somebody else to do.

    Parameters
    ----------
    clock : the wall clock, unix ms

    Attributes
    ----------
    came : set when one was written down here
    """

    def __init__(self, state: SlackState, clock: Callable[[], int]) -> None:
        self.came = asyncio.Event()
        self._state, self._clock = state, clock

    async def take(self, payload: object) -> None:
        """Write a click down; when this returns Slack may be told that we have it.

        Raises
        ------
        InputError : it is no payload of Slack's: sending it again will not help
        StoreError : it could not be written: Slack sends it again
        """
        click = read_click(payload, self._clock())
        if click is None:
            log.info("slack sent something that is no button of ours")
        elif await self._state.keep_click(click):
            self.came.set()
        else:
            await self.audit(click, "known already, nothing was done again")

    async def refused(self, line: str) -> None:
        """Note a request that was not signed right."""
        await self._state.audit(self._clock(), line)

    async def audit(self, click: Click, outcome: str) -> None:
        """Note what came of a click, in the log and in the store."""
        who, what = plain(f"{click.user_name} ({click.user})"), plain(f"{click.action} of {click.incident_id}")
        log.info("slack button who=%s what=%s outcome=%s", who, what, plain(outcome, 400))
        await self._state.audit(self._clock(), f"{who} pressed {what}: {plain(outcome, 400)}")
