"""Rankers by name. A new ranker is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rca._base import Ranker
from rca.default import FusedRanker
from rca.peers.baro import Baro
from rca.peers.correlated import Correlated
from rca.peers.deepest_callee import DeepestCallee
from rca.peers.latest_deploy import LatestDeploy
from rca.peers.page_rank import PageRank
from rca.peers.random_walk import RandomWalk
from rca.peers.regression import Regression

DEFAULT = "fused"

RANKERS: Mapping[str, Callable[[], Ranker]] = {
    "fused": FusedRanker,
    "baro": Baro,
    "deepest callee": DeepestCallee,
    "random walk": RandomWalk,
    "page rank": PageRank,
    "correlation": Correlated,
    "regression": Regression,
    "latest deploy": LatestDeploy,
}
"""Each value makes a ranker with its default parameters. All but the first are there to compare with."""


def default_ranker() -> Ranker:
    """The ranker used when none is named."""
    return RANKERS[DEFAULT]()
