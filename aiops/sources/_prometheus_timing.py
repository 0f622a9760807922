"""When a pulled source asks, and how far back."""

from __future__ import annotations

from dataclasses import dataclass

from aiops.errors import InputError


@dataclass(frozen=True, slots=True)
class Timing:
    """When a source asks, and how far back.

    Parameters
    ----------
    step_s : distance of samples, seconds; whole milliseconds
    lateness_s : how long a step waits for late samples; None = two steps
    settle_s : how long after a step it is first asked for; None = half a step, at most 5 s (scrapes take their time)
    history_s : how much is read to learn from at the first start
    recent_s : the last part of it, which may raise anomalies
    max_catch_up_s : the longest gap whose anomalies are of interest; what is older only teaches, up to `history_s`
    """

    step_s: float = 30.0
    lateness_s: float | None = None
    settle_s: float | None = None
    history_s: float = 3 * 86_400.0
    recent_s: float = 3600.0
    max_catch_up_s: float = 86_400.0

    def __post_init__(self) -> None:
        if self.step_s <= 0 or abs(self.step_s * 1000 - round(self.step_s * 1000)) > 1e-6:
            raise InputError(f"step_s must be a positive whole number of milliseconds, got {self.step_s}")
        for name in ("lateness_s", "settle_s", "history_s", "recent_s", "max_catch_up_s"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"{name} must be >= 0, got {value}")

    @property
    def step_ms(self) -> int:
        """The step in ms."""
        return round(self.step_s * 1000)

    @property
    def lateness_ms(self) -> int:
        """The lateness in ms."""
        return round(1000 * (2 * self.step_s if self.lateness_s is None else self.lateness_s))

    @property
    def settle_ms(self) -> int:
        """The settling time in ms."""
        return round(1000 * (min(5.0, self.step_s / 2) if self.settle_s is None else self.settle_s))
