"""What Slack refuses in a message: limits and shapes of Block Kit, as its reference has them."""

from __future__ import annotations

import re
from collections.abc import Iterator

TEXTS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}
FIELDS = {
    "header": {"type", "text", "block_id"},
    "section": {"type", "text", "fields", "accessory", "block_id", "expand"},
    "context": {"type", "elements", "block_id"},
    "actions": {"type", "elements", "block_id"},
    "divider": {"type", "block_id"},
}
BUTTON = {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
MENTION = re.compile(r"<[!@#][^>]*>")
PARSED = re.compile(r"@(channel|here|everyone)\b|#[a-z0-9-]+", re.IGNORECASE)


def faults(blocks: object) -> list[str]:
    """Why Slack would answer `invalid_blocks`; empty = it would not."""
    if not isinstance(blocks, list):
        return ["blocks: must be a list"]
    found = [f"blocks: {len(blocks)}, at most 50"] if len(blocks) > 50 else []
    ids = [b.get("block_id") for b in blocks if isinstance(b, dict) and "block_id" in b]
    found += ["block_id: not unique"] if len(ids) != len(set(ids)) else []
    return [*found, *(f"{i}: {fault}" for i, block in enumerate(blocks) for fault in _block(block))]


def mentions(text: str, blocks: list[dict[str, object]]) -> list[str]:
    """Whatever would call people or a channel, or become a link to one."""
    found = [m for m in MENTION.findall(text) if not m.startswith("<!date")]
    for one in _texts(blocks):
        if one["type"] == "mrkdwn":
            found += MENTION.findall(one["text"])
            found += [] if one.get("verbatim") else [m[0] for m in PARSED.finditer(one["text"])]
    return found


def words(blocks: list[dict[str, object]]) -> str:
    """All that a person reads, a block a line."""
    return "\n".join(one["text"] for one in _texts(blocks))


def buttons(blocks: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    """Buttons by their action."""
    rows = [b for b in blocks if b["type"] == "actions"]
    return {e["action_id"]: e | {"block_id": row["block_id"]} for row in rows for e in row["elements"]}


def _texts(blocks: list[dict[str, object]]) -> Iterator[dict[str, str]]:
    for block in blocks:
        if isinstance(block.get("text"), dict):
            yield block["text"]
        for element in block.get("elements", ()):
            yield element["text"] if isinstance(element.get("text"), dict) else element


def _block(block: object) -> Iterator[str]:
    if not isinstance(block, dict) or block.get("type") not in FIELDS:
        yield f"no such block: {block!r:.40}"
        return
    kind = block["type"]
    yield from (f"{kind}: unknown field {name}" for name in set(block) - FIELDS[kind])
    if not 0 < len(str(block.get("block_id", "x"))) <= 255:
        yield "block_id: 1 to 255 characters"
    if kind == "header":
        yield from _text(block.get("text"), 150, {"plain_text"})
    elif kind == "section":
        if not block.get("text") and not block.get("fields"):
            yield "section: text or fields"
        if "text" in block:
            yield from _text(block["text"], 3000)
        if len(block.get("fields", ())) > 10:
            yield "section: at most 10 fields"
    elif kind == "context":
        elements = block.get("elements") or []
        if not 1 <= len(elements) <= 10:
            yield "context: 1 to 10 elements"
        for element in elements:
            yield from _text(element, 3000)
    elif kind == "actions":
        yield from _actions(block.get("elements") or [])


def _actions(elements: list[dict[str, object]]) -> Iterator[str]:
    if not 1 <= len(elements) <= 25:
        yield "actions: 1 to 25 elements"
    ids = [e.get("action_id") for e in elements]
    if len(ids) != len(set(ids)):
        yield "action_id: not unique"
    for element in elements:
        if element.get("type") != "button":
            yield f"actions: {element.get('type')}"
            continue
        yield from (f"button: unknown field {name}" for name in set(element) - BUTTON)
        yield from _text(element.get("text"), 75, {"plain_text"})
        if not 0 < len(str(element.get("action_id", ""))) <= 255:
            yield "action_id: 1 to 255 characters"
        if len(str(element.get("value", ""))) > 2000:
            yield "value: at most 2000 characters"
        if element.get("style", "primary") not in ("primary", "danger"):
            yield "style: primary or danger"


def _text(text: object, most: int, kinds: set[str] | None = None) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in (kinds or set(TEXTS)):
        yield f"text: expected one of {kinds or set(TEXTS)}, got {text!r:.60}"
        return
    yield from (f"text: unknown field {name}" for name in set(text) - TEXTS[text["type"]])
    if not isinstance(text.get("text"), str) or not 0 < len(text["text"]) <= most:
        yield f"text: 1 to {most} characters"
