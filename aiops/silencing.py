"""Silences that people ask for: in which Alertmanager, by whom, for how long.

Whoever asks is written down: in Alertmanager, in the log, and in the store beside what was pressed in Slack.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from aiops import words
from aiops.errors import InputError, NotFound, NotPermitted, Reject
from aiops.model import Incident
from aiops.silence import Silence, matcher_of

log = logging.getLogger(__name__)

SHORTEST_S, LONGEST_S = 60.0, 30 * 86_400.0
"""Chosen: what is silenced for longer than a month is forgotten, and nobody hears of it again."""
LONGEST_NAME, LONGEST_COMMENT, MOST_MATCHERS = 100, 1000, 50
SLACK_MS = 60_000
"""Ends that differ by less are the same: chosen, somebody presses twice."""


class Keeper(Protocol):
    """One Alertmanager's silences; see `aiops.notifiers.silences.Silences`."""

    known: tuple[Silence, ...]

    async def tend(self, now_ms: int) -> float:
        """Read them."""
        ...

    def propose(self, incident: Incident, duration_s: float, created_by: str) -> Silence:
        """A silence for what an incident is about."""
        ...

    async def create(self, silence: Silence) -> str:
        """Have it kept; gives its id."""
        ...

    async def end(self, silence_id: str) -> None:
        """End it before its time."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A silence and the receiver whose Alertmanager has it; `is_new` tells whether it was made just now."""

    receiver: str
    silence: Silence
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for: the silence of an incident, or matchers of their own."""

    who: str
    duration_s: float
    incident: str = ""
    matchers: Sequence[str] = ()
    comment: str = ""
    receiver: str = ""


class Silencing:
    """Lists, proposes, makes and ends silences.

    Parameters
    ----------
    keepers : by the receiver's name; the first is meant where nobody says which
    incident : gives one by its id
    people : who may; empty = everybody who may use the API
    clock : the wall clock, unix ms
    audit : keeps a line of who did what

    Raises
    ------
    NotFound : there is no such incident, silence or receiver
    NotPermitted : this person may not
    InputError : a value is wrong, or Alertmanager does not accept it
    Retry, StoreError : it could not be done now
    """

    def __init__(
        self,
        keepers: Mapping[str, Keeper],
        incident: Callable[[str], Incident | None],
        *,
        people: Collection[str] = (),
        clock: Callable[[], int],
        audit: Callable[[int, str], None] = lambda _at_ms, _line: None,
    ) -> None:
        self._keepers, self._incident, self._people = dict(keepers), incident, people
        self._clock, self._audit = clock, audit

    async def all(self) -> list[Kept]:
        """Silences that hold or will, as Alertmanager has them now; what ends first comes first."""
        for one in self._keepers.values():
            await one.tend(self._clock())
        found = [Kept(name, silence) for name, one in self._keepers.items() for silence in one.known]
        return sorted(found, key=lambda kept: (kept.silence.ends_ms, kept.silence.id))

    async def propose(self, wanted: Wanted) -> Kept:
        """The silence that `create` would make; nothing is made."""
        who = self._checked(wanted.who)
        if not SHORTEST_S <= wanted.duration_s <= LONGEST_S:
            raise InputError(f"duration_s: must be from {SHORTEST_S:g} to {LONGEST_S:g}, got {wanted.duration_s:g}")
        if bool(wanted.incident) == bool(wanted.matchers):
            raise InputError("incident, matchers: one of the two must be given")
        name, keeper = self._keeper(wanted.receiver)
        comment = _clean(wanted.comment, LONGEST_COMMENT)
        if not wanted.incident:
            if len(wanted.matchers) > MOST_MATCHERS:
                raise InputError(f"matchers: must be at most {MOST_MATCHERS}, got {len(wanted.matchers)}")
            matchers = tuple(matcher_of(text) for text in wanted.matchers)
            if all(m.matches({}) for m in matchers):
                raise InputError("matchers: at least one must need a label that is not empty")
            now_ms = self._clock()
            return Kept(name, Silence(matchers, now_ms, now_ms + round(wanted.duration_s * 1000), who, comment))
        incident = await asyncio.to_thread(self._incident, wanted.incident)
        if incident is None:
            raise NotFound(f"there is no incident {_clean(wanted.incident, 40)!r}")
        silence = keeper.propose(incident, wanted.duration_s, who)
        return Kept(name, replace(silence, comment=comment or silence.comment))

    async def create(self, wanted: Wanted) -> Kept:
        """Make a silence, unless the same person has made the same one already."""
        kept = await self.propose(wanted)
        keeper, silence = self._keepers[kept.receiver], kept.silence
        await keeper.tend(self._clock())
        for known in keeper.known:
            same = (set(known.matchers), known.created_by) == (set(silence.matchers), silence.created_by)
            if same and abs(known.ends_ms - silence.ends_ms) < SLACK_MS:
                return Kept(kept.receiver, known)
        try:
            made = replace(silence, id=await keeper.create(silence))
        except Reject as error:
            raise InputError(str(error)) from error
        what = ", ".join(str(m) for m in made.matchers)
        await self._note(f"{made.created_by}: silenced {what} until {words.clock(made.ends_ms)}, silence {made.id}")
        return Kept(kept.receiver, made, is_new=True)

    async def end(self, silence_id: str, who: str) -> Kept:
        """End a silence now."""
        name = self._checked(who)
        kept = next((one for one in await self.all() if one.silence.id == silence_id), None)
        if kept is None:
            raise NotFound(f"there is no silence {_clean(silence_id, 80)!r} that holds")
        try:
            await self._keepers[kept.receiver].end(silence_id)
        except Reject as error:
            raise InputError(str(error)) from error
        await self._note(f"{name}: ended silence {silence_id}")
        return Kept(kept.receiver, replace(kept.silence, ends_ms=self._clock()))

    async def _note(self, line: str) -> None:
        log.info("silences %s", line)
        await asyncio.to_thread(self._audit, self._clock(), line)

    def _keeper(self, receiver: str) -> tuple[str, Keeper]:
        if not self._keepers:
            raise NotFound("nothing can be silenced here: no receiver of kind alertmanager with silences is set up")
        name = receiver or next(iter(self._keepers))
        if name not in self._keepers:
            raise NotFound(f"receiver: must be one of {', '.join(self._keepers)}, got {_clean(name, 40)!r}")
        return name, self._keepers[name]

    def _checked(self, who: str) -> str:
        name = _clean(who, LONGEST_NAME)
        if not name:
            raise InputError("who: must be the name of the person who says so")
        if self._people and name not in self._people:
            log.warning("silence refused who=%s reason=not among verdicts.people", name)
            raise NotPermitted(f"{name!r} may silence nothing here: `verdicts.people` says who may")
        return name


def _clean(text: str, most: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]
