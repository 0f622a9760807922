"""Text of others in Slack's mrkdwn: it is shown as it is, never acted on.

Slack gives meaning to three characters (`&`, `<`, `>`: links, mentions) and, at the edges of words, to four more (bold,
italic, struck, code). The three are escaped; the four are exchanged for characters that look alike, so that a label
cannot turn half a message bold. Names such as `@here` are left to `verbatim`, which every text object of ours sets.
"""

from __future__ import annotations

import re

SECTION_CHARS = 3000
HEADER_CHARS = 150
BUTTON_VALUE_CHARS = 2000
FALLBACK_CHARS = 1000
"""Slack's limits, but for the last one: of the 4,000 allowed a notification on a phone shows far less (chosen)."""

_LOOKS_LIKE = str.maketrans(
    {"*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}", "`": "\N{MODIFIER LETTER GRAVE ACCENT}"}
)
_EDGE_UNDERSCORE = re.compile(r"(?<!\w)_|_(?!\w)")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ENTITY = re.compile(r"&(amp|lt|gt);|.", re.DOTALL)


def plain(text: str, most: int = 200) -> str:
    r"""Text from outside, on one line, cut to `most` characters, without any meaning to Slack.

    >>> plain("<!channel> a & b"), ascii(plain("*bold*"))
    ('&lt;!channel&gt; a &amp; b', "'\\u2217bold\\u2217'")
    >>> plain("p95_latency _sum_"), plain("one" + chr(10) + "two"), plain("abcdef", 4)
    ('p95_latency ˍsumˍ', 'one two', 'abc…')
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _EDGE_UNDERSCORE.sub(
        "\N{MODIFIER LETTER LOW MACRON}", shortened(line, most).translate(_LOOKS_LIKE)
    ).translate(_ESCAPES)


def shortened(text: str, most: int) -> str:
    """The text if it fits, else its beginning and an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def link(url: str, name: str) -> str:
    """A link, or the name alone if a browser should not follow that address.

    >>> link("https://x/?a=1&b=2", "run <it>"), link("javascript:alert(1)", "run")
    ('<https://x/?a=1&amp;b=2|run &lt;it&gt;>', 'run')
    """
    # A bar would end the address, a space or quote is none of one's parts.
    safe = (
        url.lower().startswith(("http://", "https://")) and url.isprintable() and not re.search(r"[\s|\"\\^`{}]", url)
    )
    shown = plain(name).replace("|", "/")
    return f"<{url.translate(_ESCAPES)}|{shown}>" if safe and len(url) < SECTION_CHARS // 3 else shown


def joined(lines: list[str], most: int = SECTION_CHARS) -> str:
    r"""Lines as one text of at most `most` characters; whole lines are left out at the end and counted.

    >>> joined(["first", "second", "third", "fourth"], 24)
    'first\nsecond\nand 2 more'
    """
    text = "\n".join(lines)
    kept = len(lines)
    while len(text) > most and kept > 1:
        kept -= 1
        text = "\n".join([*lines[:kept], f"and {len(lines) - kept} more"])
    return text if len(text) <= most else _cut(text, most)


def _cut(text: str, most: int) -> str:
    """Cut between escapes, never inside one."""
    size, parts = 0, list[str]()
    for match in _ENTITY.finditer(text):
        size += len(match[0])
        if size > most - 1:
            break
        parts.append(match[0])
    return "".join(parts) + "…"
