"""How the parts of the service are, in words an operator can act on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiops import words


@dataclass(frozen=True, slots=True)
class Condition:
    """How one part is, and since when. `reason` is empty while it is well."""

    ok: bool
    since_ms: int
    reason: str = ""


class Health:
    """What each part last said of itself.

    A part that was announced and has not said anything is not well: it is still starting.

    >>> health = Health(clock=lambda: 1_700_000_000.0)
    >>> health.bad("store", "disk is full")
    >>> health.reasons()
    ['store: disk is full (since 2023-11-14T22:13:20Z)']
    >>> health.good("store")
    >>> health.reasons()
    []
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._conditions: dict[str, Condition] = {}

    def expect(self, *parts: str) -> None:
        """Announce parts that must speak before the service is ready."""
        for part in parts:
            self._conditions.setdefault(part, Condition(ok=False, since_ms=self._now_ms(), reason="starting"))

    def good(self, part: str) -> None:
        """Note that a part is well."""
        self._set(part, ok=True, reason="")

    def bad(self, part: str, reason: str) -> None:
        """Note that a part is not well, and why; `since` stays while it is not."""
        self._set(part, ok=False, reason=reason)

    def forget(self, part: str) -> None:
        """A part that is gone says nothing any more."""
        self._conditions.pop(part, None)

    def condition(self, part: str) -> Condition | None:
        """How a part is; None if it was never heard of."""
        return self._conditions.get(part)

    def conditions(self) -> dict[str, Condition]:
        """How every part is, by name."""
        return dict(sorted(self._conditions.items()))

    def reasons(self) -> list[str]:
        """What keeps the service from being ready, one line per part; empty = nothing."""
        return [
            f"{part}: {condition.reason or 'not well'} (since {words.moment(condition.since_ms)})"
            for part, condition in self.conditions().items()
            if not condition.ok
        ]

    def _set(self, part: str, *, ok: bool, reason: str) -> None:
        before = self._conditions.get(part)
        if before is not None and before.ok == ok:
            self._conditions[part] = replace(before, reason=reason)
        else:
            self._conditions[part] = Condition(ok, self._now_ms(), reason)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
