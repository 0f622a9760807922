"""What buttons in Slack set off in the rest of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiops import words
from aiops.model import Incident
from aiops.silence import Silence


@dataclass(frozen=True, slots=True)
class OpenedTicket:
    """A ticket's name for people and its address, if it has one."""

    name: str
    url: str = ""


class GiveVerdict(Protocol):
    """Takes a verdict.

    Raises
    ------
    AiopsError : it is not taken; the message is for the person
    """

    def __call__(self, incident_id: str, answer: str, *, who: str, key: str) -> Awaitable[Sequence[str]]:
        """Take it once per key; gives what it changed, a line each."""
        ...


class MakeSilences(Protocol):
    """Proposes silences and makes them; raises as `aiops.notifiers.silences.Silences` does."""

    def propose(self, incident: Incident, duration_s: float, created_by: str) -> Silence:
        """A silence for what an incident is about."""
        ...

    async def create(self, silence: Silence) -> str:
        """Have it kept; gives its id."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What can be done here. None = it cannot, and its button is not shown.

    Parameters
    ----------
    verdict : takes Real, Noise, Expected
    silences : proposes and makes silences
    ticket : opens a ticket for an incident, in somebody's name; asked again it gives the same one
    acknowledge : tells those who page that somebody takes care of it; None = nobody pages
    """

    verdict: GiveVerdict | None = None
    silences: MakeSilences | None = None
    ticket: Callable[[Incident, str], Awaitable[OpenedTicket]] | None = None
    acknowledge: Callable[[Incident, str], Awaitable[None]] | None = None

    def offered(self) -> tuple[str, ...]:
        """Names of the buttons."""
        given = {"verdict": self.verdict, "silence": self.silences, "ticket": self.ticket}
        return ("acknowledge", *(name for name, work in given.items() if work is not None))


def described(silence: Silence) -> str:
    """What a silence is about and until when, in one line, for people; not escaped."""
    return f"{', '.join(str(m) for m in silence.matchers)} until {words.clock(silence.ends_ms)}"
