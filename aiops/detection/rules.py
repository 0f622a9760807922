"""What a shard's detection is told to hold to."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiops.detection.maintenance import Window
from aiops.detection.track import TrackRules


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """Thresholds of a shard.

    Parameters
    ----------
    page_budget_per_30d : false pages per paging series and 30 days
    evidence_budget_per_30d : the same for signals that only explain
    page_budget_total_per_week : of all paging series together; the stricter budget counts; 0 = none
    track : when a deviation is told and when it ends
    utc_offset_s : local time minus UTC, by whose clock patterns recur
    watch_change_s : how long a service is watched closely after a change
    settle_s : how long a series is only learnt after it appeared, or came back after an hour
    light_evidence : the light bank watches signals that only explain
    max_full_series : series the full bank watches; the light one watches what comes after
    evict_after_s : silence after which a series has stopped
    maintenance : when services are worked on: nothing is learnt of them and nothing told
    """

    page_budget_per_30d: float = 1.0
    evidence_budget_per_30d: float = 8.0
    track: TrackRules = field(default_factory=TrackRules)
    utc_offset_s: float = 0.0
    watch_change_s: float = 1800.0
    settle_s: float = 600.0
    maintenance: tuple[Window, ...] = ()
    page_budget_total_per_week: float = 0.0
    light_evidence: bool = False
    max_full_series: int = 100_000
    evict_after_s: float = 604_800.0
