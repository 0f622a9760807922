"""What a look around has found: what would be watched, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from aiops._cost import Load
from aiops.packs import Pack, Recipe


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """What one recipe would watch: its services, and series without those an earlier recipe gives."""

    recipe: Recipe
    services: tuple[str, ...]
    series: int


@dataclass(frozen=True, slots=True)
class PackPlan:
    """What one pack would watch. `edges` counts the calls between services it shows."""

    pack: Pack
    signals: tuple[SignalPlan, ...]
    edges: int

    @property
    def series(self) -> int:
        """Watched series of the pack."""
        return sum(one.series for one in self.signals)

    @property
    def services(self) -> tuple[str, ...]:
        """Services of the pack, sorted."""
        return tuple(sorted({service for one in self.signals for service in one.services}))


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be watched, and what that costs.

    Parameters
    ----------
    metrics : number of metric names on the server
    step_s : seconds between two values of a signal
    bytes_per_series : memory per watched series
    problems : queries that the server did not answer, as sentences
    """

    packs: tuple[PackPlan, ...]
    metrics: int
    step_s: float
    bytes_per_series: float
    problems: tuple[str, ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """All services, sorted."""
        return tuple(sorted({service for one in self.packs for service in one.services}))

    @property
    def series(self) -> int:
        """All watched series."""
        return sum(one.series for one in self.packs)

    @property
    def paging_services(self) -> tuple[str, ...]:
        """Services with a signal that may open an incident, sorted."""
        paging = (one for pack in self.packs for one in pack.signals if one.recipe.signal.pages)
        return tuple(sorted({service for one in paging for service in one.services}))

    @property
    def memory_bytes(self) -> float:
        """Memory for the watched series."""
        return self.series * self.bytes_per_series

    @property
    def cores(self) -> float:
        """Share of one core for the watched series."""
        return Load(self.series, 0, self.step_s).cores

    @property
    def queries_per_minute(self) -> float:
        """Load on the server: one query per recipe and step, one per edge rule and minute."""
        recipes = sum(len(one.pack.recipes) for one in self.packs)
        return recipes * 60.0 / self.step_s + sum(len(one.pack.edges) for one in self.packs)
