"""Lines of who did what, as receipts of no incident: a name that sorts by time, and the line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "audit:"
MOST = 500
"""Lines kept of each way in: chosen, months of a team's clicks."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What somebody did and when; `via` is the receiver it came by, or `silences`."""

    at_ms: int
    via: str
    line: str


def added(kept: Mapping[str, str], at_ms: int, line: str) -> dict[str, str]:
    """Receipts to be kept for one more line; those that become too many are forgotten.

    >>> added({"audit:000000000000007:0000": "ann: noise", "thread": "..."}, 7, "bob: real")
    {'audit:000000000000007:0001': 'bob: real'}
    """
    names = sorted(name for name in kept if name.startswith(PREFIX))
    number = 0
    while (name := f"{PREFIX}{at_ms:015d}:{number:04d}") in names:
        number += 1
    return {name: line} | dict.fromkeys(names[: max(0, len(names) + 1 - MOST)], "")


def latest(rows: Iterable[tuple[str, str, str]]) -> list[Audited]:
    """Receipts as (receiver, name, line), those that are lines, latest first."""
    lines = sorted(((name, via, line) for via, name, line in rows if name.startswith(PREFIX)), reverse=True)
    return [Audited(int(name.split(":")[1]), via, line) for name, via, line in lines]
