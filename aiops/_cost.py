"""What watching a series costs: the figures that previews are made of, measured (docs/performance.md)."""

from __future__ import annotations

from dataclasses import dataclass

from aiops import words


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one watched series.

    Parameters
    ----------
    memory_bytes : what the process grows by: detectors' state, 480 rows of history, names
    sample_ns : CPU per sample, one row at a time, from a row of signals to what is new about anomalies
    """

    memory_bytes: float
    sample_ns: float


FULL = Cost(memory_bytes=4_000.0, sample_ns=400.0)
LIGHT = Cost(memory_bytes=3_500.0, sample_ns=130.0)


@dataclass(frozen=True, slots=True)
class Load:
    """What so many series cost together.

    >>> Load(full=1_000, light=0, step_s=15.0).text()
    '3.81 MiB of memory and less than 0.01% of a core'
    """

    full: int
    light: int
    step_s: float

    @property
    def memory_bytes(self) -> float:
        """Memory."""
        return self.full * FULL.memory_bytes + self.light * LIGHT.memory_bytes

    @property
    def cores(self) -> float:
        """Share of one core."""
        return (self.full * FULL.sample_ns + self.light * LIGHT.sample_ns) * 1e-9 / self.step_s

    def text(self) -> str:
        """Both in words."""
        return f"{words.quantity(self.memory_bytes, 'bytes')} of memory and {core_text(self.cores)}"


def core_text(cores: float) -> str:
    """A share of one core in words.

    >>> core_text(0.00267), core_text(1e-6)
    ('0.27% of a core', 'less than 0.01% of a core')
    """
    if cores < 1e-4:
        return "less than 0.01% of a core"
    return f"{words.plain(round(100 * cores, 2))}% of a core"
