"""A message as Slack wants it: blocks, and the text that phones and screen readers show instead of them.

Limits (Slack's Block Kit reference): 50 blocks, 3,000 characters in a section, 150 in a header, 10 elements in a
context, 25 in a row of actions, 75 in a button's label, 2,000 in its value, 255 in an action or block id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiops.notifiers._slack_text import BUTTON_VALUE_CHARS, FALLBACK_CHARS, HEADER_CHARS, joined, shortened

Json = dict[str, object]

CONTEXT_CHARS = 2000
"""Chosen: Slack names no limit for the texts of a context; it is meant for small print."""


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is never empty; `blocks` are shown where they can be."""

    text: str
    blocks: tuple[Json, ...] = ()


def message(text: str, blocks: Sequence[Json]) -> Message:
    """A message whose text fits; what came from outside is escaped in it already."""
    return Message(joined([text], FALLBACK_CHARS), tuple(blocks))


def header(text: str) -> Json:
    """A line in large type. Not mrkdwn: nothing in it has a meaning but emoji."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return {"type": "header", "text": {"type": "plain_text", "text": shortened(line, HEADER_CHARS), "emoji": True}}


def section(lines: Sequence[str]) -> Json:
    """A paragraph of lines in mrkdwn; what came from outside is escaped already."""
    return {"type": "section", "text": mrkdwn(joined(list(lines)))}


def context(text: str) -> Json:
    """A line in small type."""
    return {"type": "context", "elements": [mrkdwn(joined([text], CONTEXT_CHARS))]}


def mrkdwn(text: str) -> Json:
    """A text object in which Slack makes no links or mentions of its own."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def actions(block_id: str, buttons: Sequence[Json]) -> Json:
    """A row of buttons."""
    return {"type": "actions", "block_id": block_id, "elements": list(buttons)}


def button(action_id: str, label: str, value: str, style: str = "") -> Json:
    """A button. `style` is `primary`, `danger` or none.

    Raises
    ------
    ValueError : the value is too long to be told what was meant by it
    """
    if len(value) > BUTTON_VALUE_CHARS:
        raise ValueError(f"a button's value must be at most {BUTTON_VALUE_CHARS} characters, got {len(value)}")
    made: Json = {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": label, "emoji": True},
        "value": value,
    }
    return made | {"style": style} if style else made
