"""How the parts of the service are, in words an operator can act on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from aiops import words


@dataclass(frozen=True, slots=True)
class Condition:
    """How one part is, and since when. `reason` is empty while it is well.

    A warning is told like anything else that is not well, but does not keep the service from being ready.
    """

    ok: bool
    since_ms: int
    reason: str = ""
    is_warning: bool = False


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

    def bad(self, part: str, reason: str, *, since_ms: int | None = None) -> None:
        """Note that a part is not well, and why; `since` stays while it is not, and is now unless told."""
        self._set(part, ok=False, reason=reason, since_ms=since_ms)

    def warn(self, part: str, reason: str, *, since_ms: int | None = None) -> None:
        """Note something that somebody should look at although the service does its work."""
        self._set(part, ok=False, reason=reason, since_ms=since_ms, is_warning=True)

    def told(self, part: str, reason: str) -> None:
        """Note how a part is: why it is not well, "" for well."""
        self._set(part, ok=not reason, reason=reason)

    def forget(self, part: str) -> None:
        """A part that is gone says nothing any more."""
        self._conditions.pop(part, None)

    def forget_all(self) -> None:
        """Nothing is known of any part any more."""
        self._conditions.clear()

    def condition(self, part: str) -> Condition | None:
        """How a part is; None if it was never heard of."""
        return self._conditions.get(part)

    def conditions(self) -> dict[str, Condition]:
        """How every part is, by name."""
        return dict(sorted(self._conditions.items()))

    def reasons(self) -> list[str]:
        """What keeps the service from being ready, one line per part; empty = nothing."""
        return self._lines(warnings=False)

    def warnings(self) -> list[str]:
        """What somebody should look at, one line per part."""
        return self._lines(warnings=True)

    def _lines(self, *, warnings: bool) -> list[str]:
        return [
            f"{part}: {condition.reason or 'not well'} (since {words.moment(condition.since_ms // 1000 * 1000)})"
            for part, condition in self.conditions().items()
            if not condition.ok and condition.is_warning == warnings
        ]

    def _set(self, part: str, *, ok: bool, reason: str, since_ms: int | None = None, is_warning: bool = False) -> None:
        before = self._conditions.get(part)
        if before is not None and before.ok == ok:
            self._conditions[part] = replace(before, reason=reason, is_warning=is_warning)
        else:
            since_ms = self._now_ms() if since_ms is None else since_ms
            self._conditions[part] = Condition(ok, since_ms, reason, is_warning)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
