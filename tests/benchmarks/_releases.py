"""The page with the figures of all releases: one row per figure, one column per release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

HEAD = "| figure | unit | goal |"


class Measured(TypedDict):
    """A row of build/bench/NAME.json."""

    figure: str
    value: float | int | str
    unit: str
    goal: str
    met: bool | None


def add_release(page: Path, release: str, rows: Sequence[Measured]) -> None:
    """Write the figures of a release into the table of a page; those of other releases, and its other text, stay.

    The table begins at the line `| figure | unit | goal | ...` and ends at the first line that is no row of it.

    Raises
    ------
    ValueError : the page has no such table
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(HEAD)), None)
    if start is None:
        raise ValueError(f"{page}: a table that begins with {HEAD!r} is missing")
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    old = [_cells(line) for line in lines[start:end] if not line.startswith("|--")]
    table = _merged(old[0][3:], {cells[0]: cells for cells in old[1:]}, release, rows)
    page.write_text("\n".join([*lines[:start], *table, *lines[end:]]) + "\n", encoding="utf-8")


def _merged(releases: list[str], old: dict[str, list[str]], release: str, rows: Sequence[Measured]) -> list[str]:
    names = releases if release in releases else [release, *releases]
    known = {figure: dict(zip(releases, cells[3:], strict=True)) for figure, cells in old.items()}
    heads = {figure: cells[:3] for figure, cells in old.items()}
    for row in rows:
        value = f"{row['value']:.4g}" if isinstance(row["value"], float) else str(row["value"])
        known.setdefault(row["figure"], {})[release] = f"**{value}**" if row["met"] is False else value
        heads[row["figure"]] = [row["figure"], row["unit"], row["goal"]]
    body = [[*heads[figure], *(known[figure].get(name, "") for name in names)] for figure in known]
    ruler = "|" + "|".join(["---"] * (3 + len(names))) + "|"
    return [_line(["figure", "unit", "goal", *names]), ruler, *map(_line, body)]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
