"""Settings become the rules of detection and triage."""

from __future__ import annotations

from collections.abc import Callable

from aiops._budgets import series_budget
from aiops.config import Settings
from aiops.detection.maintenance import Window
from aiops.detection.rules import DetectionRules
from aiops.detection.track import TrackRules
from aiops.second_opinion import with_second_opinion
from aiops.triage import TriageSettings
from aiops.verdicts import VerdictRules
from rca import Case, Ranking, default_ranker


def detection_rules(settings: Settings) -> DetectionRules:
    """Detection's part of the settings."""
    one = settings.detection
    track = TrackRules(
        needed=one.needed, of=one.of, hold_s=one.hold_s, gone_s=one.gone_s, accept_s=one.accept_hours * 3600.0
    )
    return DetectionRules(
        one.page_budget_per_30d,
        one.evidence_budget_per_30d,
        track,
        watch_change_s=one.watch_change_s,
        settle_s=one.settle_s,
        utc_offset_s=one.utc_offset_hours * 3600.0,
        maintenance=maintenance_windows(settings),
        page_budget_total_per_week=one.page_budget_total_per_week,
        light_evidence=one.evidence_bank == "light",
        max_full_series=series_budget(settings).full,
        evict_after_s=settings.limits.evict_after_days * 86_400.0,
    )


def maintenance_windows(settings: Settings) -> tuple[Window, ...]:
    """When services are worked on, by the settings."""
    return tuple(
        Window(int(one.start.timestamp() * 1000), int(one.end.timestamp() * 1000), one.reason, tuple(one.services))
        for one in settings.maintenance
    )


def triage_settings(settings: Settings, receivers: tuple[str, ...]) -> TriageSettings:
    """Triage's part of the settings."""
    one = settings.triage
    return TriageSettings(
        group_wait_s=one.group_wait_s,
        hold_s=one.hold_s,
        window_s=one.window_s,
        max_hops=one.max_hops,
        rank_timeout_s=one.rank_timeout_s,
        max_age_s=one.alert_max_age_hours * 3600.0,
        receivers=receivers,
    )


def verdict_rules(settings: Settings) -> VerdictRules:
    """How long verdicts hold, and who may give them."""
    one = settings.verdicts
    return VerdictRules(one.noise_days, one.expected_days, one.real_days, tuple(one.people))


def ranker(settings: Settings) -> Callable[[Case], Ranking]:
    """What ranks the suspects of an incident."""
    rank = default_ranker().rank
    return with_second_opinion(rank) if settings.detection.second_opinion else rank
