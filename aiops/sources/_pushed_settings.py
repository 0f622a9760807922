"""How pushed samples are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiops.sources._pushed_series import SeriesLimits


@dataclass(frozen=True, slots=True)
class PushSettings:
    """Settings of the source of everything pushed. Zero means: derived from the step.

    Raises
    ------
    ValueError : a figure is out of range; the message says which
    """

    step_s: float = 30.0
    """Between two ticks, a whole number of milliseconds."""
    lateness_s: float = 0.0
    """How long a tick waits for samples after a later one was heard; 0 = one step."""
    window_s: float = 0.0
    """Over which rates are taken, rounded up to whole steps, at least two; 0 = four steps, at least 60 s."""
    lookback_s: float = 0.0
    """How old the last sample of a gauge may be; 0 = two steps, at least 300 s (Prometheus' default)."""
    idle_s: float = 30.0
    """After so long without samples our own clock closes ticks."""
    settle_s: float = 0.2
    """How long ticks that are far behind our clock are collected, to be closed many at once."""
    future_s: float = 600.0
    """Samples further ahead of our clock are dropped."""
    max_age_s: float = 60 * 86_400.0
    """Samples further behind it are dropped."""
    max_pending_samples: int = 5_000_000
    """Samples that may wait (20 bytes each); beyond it senders are told to come again."""
    evict_after_s: float = 3600.0
    """A raw series is let go after so long without a sample."""
    series: SeriesLimits = field(default_factory=SeriesLimits)
    """How many raw series are held."""

    def __post_init__(self) -> None:
        # A tolerance, because 0.07 s is not quite 70 ms in binary.
        if self.step_s <= 0 or abs(self.step_s * 1000 - round(self.step_s * 1000)) > 1e-6:
            raise ValueError(f"step_s must be a whole number of milliseconds above 0, got {self.step_s}")
        for name in ("lateness_s", "window_s", "lookback_s", "settle_s", "future_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("idle_s", "max_age_s", "max_pending_samples", "evict_after_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")

    @property
    def step_ms(self) -> int:
        """Between two ticks."""
        return round(self.step_s * 1000)

    @property
    def lateness_ms(self) -> int:
        """How long a tick waits."""
        return round((self.lateness_s or self.step_s) * 1000)

    @property
    def window_ms(self) -> int:
        """Over which rates are taken: two steps or more, whole ones."""
        window_ms = round((self.window_s or max(60.0, 4 * self.step_s)) * 1000)
        return max(2, -(-window_ms // self.step_ms)) * self.step_ms

    @property
    def lookback_ms(self) -> int:
        """How old a gauge's last sample may be."""
        return round((self.lookback_s or max(300.0, 2 * self.step_s)) * 1000)

    @property
    def live_ms(self) -> int:
        """A series without a sample for so long shows in no signal."""
        return max(self.window_ms, self.lookback_ms)
