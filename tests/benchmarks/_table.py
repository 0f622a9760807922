"""What every benchmark ends with: a table for people and rows for machines in `build/bench/NAME.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure; `goal` is text for people, `met` None where there is no goal."""

    figure: str
    value: float | int | str
    unit: str = ""
    goal: str = ""
    met: bool | None = None


def at_most(figure: str, value: float, unit: str, goal: float) -> Row:
    """A figure that should not exceed its goal.

    >>> at_most("wall time", 3.0, "s", 5.0).met
    True
    """
    return Row(figure, value, unit, f"<= {goal:g}", bool(value <= goal))


def at_least(figure: str, value: float, unit: str, goal: float) -> Row:
    """A figure that should reach its goal."""
    return Row(figure, value, unit, f">= {goal:g}", bool(value >= goal))


def publish(name: str, rows: Sequence[Row], folder: Path = BUILD) -> Path:
    """Print the rows as a table and write them to `folder/NAME.json`; rows of earlier runs with other names stay."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    print(table(rows))
    measured = {row.figure for row in rows}
    kept = [old for old in _earlier(path) if old["figure"] not in measured]
    path.write_text(json.dumps([*kept, *map(asdict, rows)], indent=1) + "\n", encoding="utf-8")
    return path


def _earlier(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    rows: list[dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, as Markdown.

    >>> print(table([at_least("speed", 2_500_000, "samples/s", 1e6)]))
    | figure |   value | unit      |     goal | met |
    |--------|---------|-----------|----------|-----|
    | speed  | 2500000 | samples/s | >= 1e+06 | yes |
    """
    heads = ("figure", "value", "unit", "goal", "met")
    cells = [(r.figure, _number(r.value), r.unit, r.goal, {True: "yes", False: "no"}.get(r.met, "")) for r in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    right = (False, True, False, True, False)
    lines = [heads, *cells]
    texts = [
        "| " + " | ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *texts[1:]])


def _number(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
