"""The light bank once more: one series, one plain loop over rows, no kernel. What the fast one must equal."""

from __future__ import annotations

import math

import numpy as np

F = np.float32


class SlowLight:
    """One series with a known step. The sweep in 32-bit floats like the original's, the tail in Python's own."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.level = self.variance = self.shift = F(0)
        self.odd, self.hour, self.rows = F(3.0), F(np.nan), 0
        self.season, self.base = [0] * 24, F(0)
        self.rare, self.rarest = F(3.0), F(4.3)
        self.peak, self.peak_s, self.fired_s = 0, -math.inf, -math.inf
        self.age_h, self.burst, self.burst_mean = 0, 0, int(1.6 * 1024)
        self.in_hour, self.hour_rows = None, 0
        self.quiet_s = max(3600.0, 3.0 * step_s)

    def row(self, now_s: float, x: float) -> tuple[float, ...]:
        """Rarity, surprise, expected value, lower and upper border of a row, then learn it."""
        if math.floor(now_s / 3600) != self.in_hour:
            if self.in_hour is not None:
                self._turn(now_s)
            self.in_hour, self.hour_rows = math.floor(now_s / 3600), 0
        self.hour_rows += 1
        if not math.isfinite(x):
            return (math.nan,) * 5
        x = F(min(max(x, -1e18), 1e18))
        scale = np.sqrt(self.variance) + (abs(self.level) * F(1e-6) + F(1e-18))
        residual = x - scale * self._usual(now_s) - self.level
        signed = residual / scale
        moved = self.shift + F(0.1) * (F(min(max(signed, -10), 10)) - self.shift)
        z = F(min(max(abs(signed), F(2.0) * abs(moved)), 1e4))
        verdict = (math.nan,) * 5
        if self.rows >= 50:
            edge = self._edge() if self.rows % 40 == 0 else math.nan
            middle, half = float(x - residual), edge * float(scale)
            verdict = (*self._judge(now_s, float(z)), middle, middle - half, middle + half)
            self.odd = F(max(self.odd * F(1 + 0.05 * 0.995 if z > self.odd else 1 - 0.05 * 0.005), F(0.5)))
        self._learn(residual, moved)
        return verdict

    def _usual(self, now_s: float) -> F:
        place = now_s / 3600 - 0.5
        part = F(place - math.floor(place))
        low, high = math.floor(place) % 24, (math.floor(place) + 1) % 24
        return (F(1) - part) * F(1 / 32) * F(self.season[low]) + part * F(1 / 32) * F(self.season[high])

    def _learn(self, residual: F, moved: F) -> None:
        mean = self.level + residual
        self.hour = mean if np.isnan(self.hour) else self.hour + F(1 / self.hour_rows) * (mean - self.hour)
        safe = F(1) / F(self.rows + 1)
        if self.rows:
            self.variance = self.variance + max(safe, F(1e-4)) * (residual * residual - self.variance)
            self.shift = moved
        self.level = self.level + max(safe, F(0.1)) * residual
        self.rows = min(self.rows + 1, 65_535)

    # -- the tail

    def _surprise(self, at: float) -> float:
        first = math.log2(self.odd)
        if at <= first:
            return -math.log10(0.005) * 2 ** (at - first)
        return float(np.interp(at, [first, self.rare, self.rarest], [-math.log10(0.005), 3.5, 5.0])) + max(
            0.0, (at - self.rarest) * 1.5 / (self.rarest - self.rare)
        )

    def _rarity(self, at: float) -> float:
        days = self.age_h / 24
        young = math.sqrt((days + 1) / max(days, 0.01)) ** 3
        shared = 105 * (60 / self.step_s) ** 0.6 * young * 2 ** (-3 * at)
        noise = min(1.3 * 1024 / self.burst_mean, 1) ** 4
        own = noise * 86_400 / self.step_s * 10 ** -self._surprise(at)
        return max(-math.log10((20 * shared + days * own) / (20 + days)), -4.5)

    def _judge(self, now_s: float, z: float) -> tuple[float, float]:
        at = math.log2(max(z, 1e-3))
        rarity, surprise = self._rarity(at), self._surprise(at)
        if z > self.odd:
            peak = int(min(max(2048 * at + 8192, 1), 65_535))
            if self.peak and peak <= self.peak and now_s - self.peak_s <= self.quiet_s:
                rarity -= 10
            else:
                self.peak, self.peak_s = peak, now_s
            self._learn_tail(now_s, at)
        return rarity, surprise

    def _edge(self) -> float:
        """Where rarity reaches a page a month, found by search: the fast one stops at or a little beyond it."""
        low, high = -5.0, 25.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self._rarity(middle) < math.log10(30) else (low, middle)
        return 2**high

    def _least(self) -> float:
        return min(max(0.2 * (float(self.rare) - math.log2(self.odd)), 0.05), 0.5)

    def _raised(self, border: float, at: float, expected: float, least: float) -> F:
        step = max(1 / math.log(2) / 3 / expected, least)
        return F(max(border, min(border + step, at + least + max(0.0, -math.log2(expected)) / 3)))

    def _learn_tail(self, now_s: float, at: float) -> None:
        often = min(max(math.log10(86_400 / self.step_s / 2), -math.log10(0.005)), 5.0)
        if self._surprise(at) >= often:
            if self.burst and now_s - self.fired_s > self.quiet_s:
                self._end_burst()
            self.burst, self.fired_s = min(self.burst + 1, 20), now_s
        if at > self.rare:
            rows, least, is_rarest = self.age_h * 3600 / self.step_s + 500, self._least(), at > self.rarest
            self.rare = self._raised(float(self.rare), at, 10**-3.5 * rows, least)
            if is_rarest:
                self.rarest = self._raised(float(self.rarest), at, 1e-5 * rows, least)
            self._part()

    def _end_burst(self) -> None:
        self.burst_mean = int(self.burst_mean + (self.burst * 1024 - self.burst_mean) / 16 + 0.5)
        self.burst = 0

    def _part(self) -> None:
        self.rare = F(max(self.rare, math.log2(self.odd) + 0.1))
        self.rarest = F(max(self.rarest, self.rare + 0.1))

    def _turn(self, now_s: float) -> None:
        if self.burst and now_s - self.fired_s > self.quiet_s:
            self._end_burst()
        if now_s - self.peak_s > self.quiet_s:
            self.peak = 0
        if np.isnan(self.hour):
            return
        self._learn_season(self.in_hour % 24)
        self.age_h += 1
        expected, least = self.age_h * 3600 / self.step_s + 500, self._least()
        fall = [s * self.hour_rows * max(1 / math.log(2) / 3 / (s * expected), least) for s in (10**-3.5, 1e-5)]
        self.rare = F(self.rare - fall[0])
        few = 10**-3.5 * expected < 10
        self.rarest = F(2 * float(self.rare) - math.log2(self.odd) if few else self.rarest - fall[1])
        self._part()
        self.hour = F(np.nan)

    def _learn_season(self, hour: int) -> None:
        if not self.age_h:
            self.base = self.hour
        self.base = F(self.base + max(1 / 72, 1 / (self.age_h + 1)) * (self.hour - self.base))
        scale = np.sqrt(self.variance) + (abs(self.level) * F(1e-6) + F(1e-18))
        away = (self.hour - self.base) / (F(1 / 32) * scale)
        added = self.season[hour] + max(0.2, 1 / (1 + self.age_h // 24)) * float(away)
        self.season[hour] = round(min(max(added, -32_000), 32_000))
