"""Online anomaly detectors: a pure library over arrays."""

from detectors._base import Detector, Scores, Verdicts
from detectors.absence import Absence
from detectors.bank import Bank
from detectors.light import Light, Odd
from detectors.novelty import Novelty
from detectors.rarity import level_rarity, rarity_threshold
from detectors.season import Season

DETECTORS: dict[str, type] = {"absence": Absence, "bank": Bank, "light": Light, "novelty": Novelty, "season": Season}
"""Everything that scores rows, by the name a configuration calls it; each class passes `detectors.checks`."""

__all__ = [
    "DETECTORS",
    "Absence",
    "Bank",
    "Detector",
    "Light",
    "Novelty",
    "Odd",
    "Scores",
    "Season",
    "Verdicts",
    "level_rarity",
    "rarity_threshold",
]
