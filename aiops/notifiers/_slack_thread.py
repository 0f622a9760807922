"""What is remembered of one incident's message in Slack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

NoteKind = Literal["acknowledged", "verdict", "silence", "ticket"]


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody said or did about an incident by a button; `text` depends on the kind, `url` may be empty."""

    kind: NoteKind
    text: str
    user: str
    at_ms: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """The message of one incident and its thread.

    Parameters
    ----------
    channel : where it is, by Slack's id once that is known, else as it is configured
    ts : Slack's name of the message; "" = not posted
    shown : hash of what it shows, so that nothing is sent twice
    replies : keys of what was posted into the thread, each with its ts
    intent, intent_ms : key of what was about to be posted and since when (unix ms); "" = nothing
    anew : how often it was posted again because somebody had deleted it
    held : the digest it is part of instead of having a message; "" = it has its own
    notes : what people said, one of each kind
    """

    channel: str = ""
    ts: str = ""
    shown: str = ""
    replies: tuple[tuple[str, str], ...] = ()
    intent: str = ""
    intent_ms: int = 0
    anew: int = 0
    held: str = ""
    notes: tuple[Note, ...] = ()
    updated_ms: int = 0

    def has(self, key: str) -> bool:
        """Tell whether that reply was posted."""
        return any(name == key for name, _ in self.replies)

    def noted(self, note: Note) -> Thread:
        """With a note in place of an earlier one of its kind."""
        return replace(self, notes=(*(n for n in self.notes if n.kind != note.kind), note), updated_ms=note.at_ms)

    def note(self, kind: NoteKind) -> Note | None:
        """The note of that kind."""
        return next((n for n in self.notes if n.kind == kind), None)
