"""What can be set about triage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriageSettings:
    """Settings of `Triage`. Defaults follow what Alertmanager users know where it has the same setting.

    Parameters
    ----------
    group_wait_s : how long a new incident gathers members before anybody hears of it
    window_s : members of one incident start within this time of its activity
    max_hops : members of one incident are at most so many calls apart
    late_cause_s : a cause may be heard of so much later than what depends on it; the longest `for` of most alert rules
    unknown_window_s : the same as `window_s` for two services of which the graph knows neither
    rank_timeout_s : an incident opens without a cause when the ranker takes longer
    rank_every_s : rankings of a changing incident are refreshed at most so often
    hold_s : an incident resolves when all was quiet for so long
    flap_limit, flap_window_s : so many members that came back within this time make an incident `flapping`
    max_hold_factor : flapping lengthens the hold up to so many times
    evidence_s : how long an anomaly that may not page waits for an incident to speak for
    change_keep_s : how long deploys and other changes are remembered
    change_before_s, change_after_s : changes this long before and after its start belong to an incident
    max_age_s : an alert or anomaly nobody spoke of for so long is taken as ended (Alertmanager repeats every 4 h)
    keep_resolved_s : how long a resolved incident stays in `Triage.incidents`
    max_members : further members of an incident are counted, not kept
    max_active : further incidents become one `storm`
    receivers : who is told
    """

    group_wait_s: float = 30.0
    window_s: float = 900.0
    max_hops: int = 2
    late_cause_s: float = 300.0
    unknown_window_s: float = 120.0
    rank_timeout_s: float = 10.0
    rank_every_s: float = 30.0
    hold_s: float = 300.0
    flap_limit: int = 3
    flap_window_s: float = 3600.0
    max_hold_factor: int = 4
    evidence_s: float = 900.0
    change_keep_s: float = 7200.0
    change_before_s: float = 3600.0
    change_after_s: float = 900.0
    max_age_s: float = 86_400.0
    keep_resolved_s: float = 3600.0
    max_members: int = 500
    max_active: int = 1000
    receivers: tuple[str, ...] = ("console",)
