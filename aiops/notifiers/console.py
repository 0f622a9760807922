"""Incidents as readable blocks on standard output."""

from __future__ import annotations

import asyncio
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiops.errors import Retry
from aiops.model import Incident, Notification
from aiops.notifiers._base import Receipt
from aiops.notifiers._block import heading, rows

_LABEL_WIDTH = 10


def incident_text(incident: Incident, now_ms: int, reason: str = "") -> Text:
    """An incident as lines of any length; `reason` is its status unless something else is to be said."""
    lines = [heading(incident, reason or incident.status, now_ms), Text()]
    for label, row in rows(incident):
        lines.append(Text.assemble((f"  {label:<{_LABEL_WIDTH}}", "bold cyan")).append_text(row))
    return Text("\n").join(lines)


def print_incident(console: Console, incident: Incident, now_ms: int, reason: str = "") -> None:
    """Write an incident: folded under its labels on a terminal, as plain lines to anything else."""
    if not console.is_terminal:
        # A line for a file or a pipe is not cut to the width of a screen that is not there.
        console.print(incident_text(incident, now_ms, reason), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 0))
    grid.add_column(width=_LABEL_WIDTH + 2, no_wrap=True, style="bold cyan")
    grid.add_column(overflow="fold")
    for label, row in rows(incident):
        grid.add_row(f"  {label}", row)
    console.print(heading(incident, reason or incident.status, now_ms), Text(), grid, sep="\n")


class ConsoleNotifier:
    """Writes each notification as one block: in colour to a terminal, plain to anything else.

    Parameters
    ----------
    file : standard output if None
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._console = Console(file=file, highlight=False, emoji=False)

    async def send(self, notification: Notification) -> Receipt:
        """Write the block.

        Raises
        ------
        Retry : standard output is closed or its disk is full
        """
        try:
            await asyncio.to_thread(self._write, notification)
        except (OSError, ValueError) as error:
            # A closed file raises ValueError, a broken pipe or full disk OSError.
            raise Retry(f"the console cannot be written: {error}") from error
        return Receipt()

    async def close(self) -> None:
        """Nothing is held."""

    def _write(self, notification: Notification) -> None:
        print_incident(self._console, notification.incident, notification.created_ms, notification.reason)
        self._console.print()
        self._console.file.flush()
