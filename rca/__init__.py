"""Root-cause ranking: a pure library over metrics, a service graph and change events."""

from rca._base import Case, Change, Column, Evidence, Ranker, Ranking, Suspect, Symptom
from rca.graph import ServiceGraph
from rca.registry import RANKERS, default_ranker

__all__ = [
    "RANKERS",
    "Case",
    "Change",
    "Column",
    "Evidence",
    "Ranker",
    "Ranking",
    "ServiceGraph",
    "Suspect",
    "Symptom",
    "default_ranker",
]
