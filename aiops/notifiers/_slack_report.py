"""The weekly report on noise, in the channel where the pages were: every Monday at 08:00 UTC, for the week before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiops.notifiers._slack_message import Json, Message, header, message, section
from aiops.notifiers._slack_post import Poster
from aiops.notifiers._slack_state import SlackState
from aiops.notifiers._slack_text import plain

WEEK_MS = 7 * 24 * 3_600_000
MONDAY_MS = 4 * 24 * 3_600_000 + 8 * 3_600_000
"""Monday 08:00 UTC of the first week of unix time, which began on a Thursday."""
LOOK_S = 3600.0
"""How often it is looked at the clock at least: it may be set."""
LINES = 12
"""Lines in one section: chosen."""

Make = Callable[[int, int], str]
"""The report from a time until before another, unix ms, as Markdown; reads the store."""


def week_end_ms(now_ms: int) -> int:
    """The last Monday 08:00 UTC.

    >>> from aiops.words import moment
    >>> moment(week_end_ms(1_700_000_000_000))
    '2023-11-13T08:00:00Z'
    """
    return now_ms - (now_ms - MONDAY_MS) % WEEK_MS


def report_message(page: str) -> Message:
    r"""A report in Markdown as a message: headings, paragraphs, and tables as lists.

    >>> told = report_message("# Noise\n\n| what | how much |\n|---|---|\n| pages | 3 |\n| `a*b` | 1 |\n")
    >>> told.text, [b["type"] for b in told.blocks]
    ('Noise', ['header', 'section'])
    """
    blocks, lines, title = list[Json](), list[str](), ""
    for line in page.splitlines():
        if line.startswith("# "):
            title = line.removeprefix("# ")
            blocks.append(header(f":bar_chart: {title}"))
        elif line.startswith("## "):
            blocks += _paragraphs(lines)
            lines = [f"*{plain(line.removeprefix('## '))}*"]
        elif line.startswith("|---"):
            # The line before was the table's head: its words say nothing that the list does not.
            lines = lines[:-1]
        elif line.startswith("|"):
            cells = [plain(cell.strip().strip("`"), 300) for cell in line.strip().strip("|").split(" | ")]
            lines.append(f"• {cells[0]}: {', '.join(cells[1:])}" if len(cells) > 1 else f"• {cells[0]}")
        elif line.strip():
            lines.append(plain(line.strip(), 600))
    blocks += _paragraphs(lines)
    return message(plain(title, 300) or "Noise", blocks[:50])


def _paragraphs(lines: Sequence[str]) -> list[Json]:
    return [section(lines[start : start + LINES]) for start in range(0, len(lines), LINES)]


class WeeklyReport:
    """Posts the report once a week, the first time a week after the first start.

    Parameters
    ----------
    channel : where it goes
    make : makes it
    """

    def __init__(self, state: SlackState, poster: Poster, channel: str, make: Make) -> None:
        self._state, self._poster, self._channel, self._make = state, poster, channel, make

    async def tend(self, now_ms: int) -> float:
        """Post it if it is due; gives the seconds until it may be.

        Raises
        ------
        Retry, Reject, StoreError : it could not be posted; it is tried again
        """
        end_ms = week_end_ms(now_ms)
        told = await self._state.reported_ms()
        if told is not None and told < end_ms:
            page = await asyncio.to_thread(self._make, end_ms - WEEK_MS, end_ms)
            await self._poster.post_once(self._channel, report_message(page), f"report:{end_ms}")
        if told is None or told < end_ms:
            await self._state.keep_reported(end_ms)
        return min(LOOK_S, (end_ms + WEEK_MS - now_ms) / 1000)
