"""Rankers by name. A new ranker is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rca._base import Ranker
from rca.default import FusedRanker

DEFAULT = "fused"

RANKERS: Mapping[str, Callable[[], Ranker]] = {
    "fused": FusedRanker,
}
"""Each value makes a ranker with its default parameters."""


def default_ranker() -> Ranker:
    """The ranker used when none is named."""
    return RANKERS[DEFAULT]()
