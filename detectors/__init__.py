"""Online anomaly detectors: a pure library over arrays."""

from detectors._base import Detector, Scores, Verdicts

__all__ = ["Detector", "Scores", "Verdicts"]
