"""Atlassian Document Format: what Jira Cloud takes in the place of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from aiops.notifiers._ticket_text import Section, pieces

Node = dict[str, Any]


def document(sections: Iterable[Section], most_bytes: int) -> Node:
    """Sections as headings with lists, as many lines as fit into `most_bytes` of JSON; what is left out is counted.

    >>> document([Section("Cause", ("payments",))], 1000)["content"][0]["attrs"]
    {'level': 3}
    """
    content: list[Node] = []
    left_bytes, hidden = most_bytes - 300, 0
    for section in sections:
        items = []
        for line in section.lines:
            item = {"type": "listItem", "content": [paragraph(line)]}
            left_bytes -= len(msgspec.json.encode(item)) + 1
            if left_bytes > 0:
                items.append(item)
            else:
                hidden += 1
        # A list without items, like a text without characters, is refused.
        if items and section.label:
            heading = {"type": "heading", "attrs": {"level": 3}, "content": [text(section.label)]}
            content += [heading, {"type": "bulletList", "content": items}]
            left_bytes -= len(msgspec.json.encode(heading)) + 50
        elif items:
            content += [paragraph(line) for line in section.lines[: len(items)]]
    if hidden:
        content.append(paragraph(f"… [cut]: {hidden} more lines, see the incident's page"))
    return {"type": "doc", "version": 1, "content": content or [paragraph("no details")]}


def paragraph(line: str) -> Node:
    """One line of text; addresses in it are links."""
    return {"type": "paragraph", "content": [text(*piece) for piece in pieces(line or " ")]}


def text(piece: str, is_link: bool = False) -> Node:  # noqa: FBT001, FBT002 - as `pieces` gives it
    """A piece of text."""
    marks = {"marks": [{"type": "link", "attrs": {"href": piece}}]} if is_link else {}
    return {"type": "text", "text": piece, **marks}
