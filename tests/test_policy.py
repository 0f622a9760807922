"""What verdicts make of the rules of exactly what spoke."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.model import Anomaly, Event, Incident, SeriesKey
from aiops.policy import LONGEST_S, Policy, spoke_in, subject_of
from tests._verdict_world import DAY_MS, World

NOON_MS = 1_700_006_400_000 // DAY_MS * DAY_MS + DAY_MS // 2
SLOW = Anomaly(
    "a1", SeriesKey("latency_p95", "cart"), "latency", "s", "up", True, NOON_MS, NOON_MS, NOON_MS + 600_000,
    1.0, 0.5, 0.4, 0.6, 9.0, 2.0,
)  # fmt: skip
ALERT = Event("e1", NOON_MS, "cart", "alert", "HighErrors: 3 %", status="firing", labels=(("alertname", "HighErrors"),))


def incident(*members: Anomaly | Event, name: str = "i1", resolved_ms: int | None = NOON_MS + 600_000) -> Incident:
    anomalies = tuple(m for m in members if isinstance(m, Anomaly))
    alerts = tuple(m for m in members if isinstance(m, Event))
    return Incident(
        name, "resolved", "t", "warning", NOON_MS, NOON_MS, NOON_MS, resolved_ms, ("cart",), anomalies, alerts
    )


def world(*incidents: Incident, **rules: object) -> World:
    return World(*incidents, now_ms=NOON_MS + 3_600_000, **rules)


def sized(value: float, at_ms: int = NOON_MS + DAY_MS // 3) -> Anomaly:
    return replace(SLOW, value=value, started_ms=at_ms, updated_ms=at_ms, ended_ms=None)


def is_quiet(made: World, item: Anomaly | Event, now_ms: int | None = None) -> bool:
    return made.policy.quiet(item, made.now_ms if now_ms is None else now_ms) is not None


def test_noise_keeps_silent_what_is_a_quarter_larger_and_nothing_beyond_that():
    made = world(incident(SLOW))
    assert not is_quiet(made, sized(1.0))
    made.book.give("i1", "noise", who="ann", via="api")
    assert is_quiet(made, sized(1.0))
    assert is_quiet(made, sized(1.124))
    assert not is_quiet(made, sized(1.126))


def test_noise_concerns_the_series_that_spoke_in_the_way_it_went_and_no_other():
    made = world(incident(SLOW))
    made.book.give("i1", "noise", who="ann", via="api")
    assert not is_quiet(made, replace(sized(1.0), went="down", value=0.0))
    assert not is_quiet(made, replace(sized(1.0), series=SeriesKey("latency_p95", "shop")))
    assert not is_quiet(made, replace(sized(1.0), series=SeriesKey("latency_p99", "cart")))


def test_evidence_did_not_speak():
    assert spoke_in(incident(replace(SLOW, pages=False)), NOON_MS) == ()


def test_noise_upon_noise_ends_at_four_times_the_first():
    incidents = [incident(replace(SLOW, value=0.5 + 0.5 * 1.2**k), name=f"i{k}") for k in range(12)]
    made = world(*incidents)
    for one in incidents:
        made.book.give(one.id, "noise", who="ann", via="api")
    assert is_quiet(made, sized(2.49))
    assert not is_quiet(made, sized(2.51))


def test_real_undoes_noise_and_protects_from_later_noise():
    noisy = incident(replace(SLOW, value=3.0), name="noisy")
    made = world(incident(SLOW), noisy)
    made.book.give("i1", "noise", who="ann", via="api")
    made.book.give("i1", "real", who="bob", via="api")
    assert not is_quiet(made, sized(0.6))
    made.book.give("noisy", "noise", who="ann", via="api")
    assert is_quiet(made, sized(0.899))
    assert not is_quiet(made, sized(0.901)), "four fifths of what was real are told"


def test_expected_keeps_silent_at_that_time_of_day_up_to_half_as_large_again():
    made = world(incident(SLOW))
    made.book.give("i1", "expected", who="ann", via="api")
    next_noon_ms = NOON_MS + DAY_MS
    for at_ms, value, quiet in (
        (next_noon_ms, 1.2, True),
        (next_noon_ms - 3_599_000, 1.2, True),
        (next_noon_ms - 3_601_000, 1.2, False),
        (next_noon_ms + 600_000 + 3_599_000, 1.2, True),
        (next_noon_ms + 600_000 + 3_601_000, 1.2, False),
        (next_noon_ms, 1.26, False),
    ):
        assert is_quiet(made, sized(value, at_ms), at_ms) == quiet, (at_ms - next_noon_ms, value)
    quiet_until = made.policy.quiet(sized(1.0, next_noon_ms), next_noon_ms)
    assert quiet_until.until_ms == next_noon_ms + 600_000 + 3_600_000


def test_a_window_over_midnight_holds_on_both_sides_of_it():
    midnight_ms = NOON_MS + DAY_MS // 2
    night = replace(SLOW, started_ms=midnight_ms - 600_000, ended_ms=midnight_ms + 600_000)
    made = world(incident(night))
    made.book.give("i1", "expected", who="ann", via="api")
    for after_ms, quiet in ((-4_000_000, True), (4_000_000, True), (-5_000_000, False), (5_000_000, False)):
        at_ms = midnight_ms + 3 * DAY_MS + after_ms
        assert is_quiet(made, sized(1.0, at_ms), at_ms) == quiet


def test_a_noisy_alert_is_told_once_it_outlasts_what_was_noise():
    made = world(incident(replace(ALERT, status="resolved", ended_ms=NOON_MS + 480_000)))
    made.book.give("i1", "noise", who="ann", via="api")
    again = replace(ALERT, id="e2", time_ms=NOON_MS + DAY_MS)
    quiet = made.policy.quiet(again, again.time_ms)
    assert quiet.until_ms == again.time_ms + 600_000
    assert made.policy.quiet(again, quiet.until_ms) is None
    other = replace(again, labels=(("alertname", "Slow"),))
    assert made.policy.quiet(other, other.time_ms) is None


def test_no_alert_is_waited_out_for_longer_than_an_hour():
    made = world(incident(replace(ALERT, ended_ms=NOON_MS + 30 * 3_600_000)))
    made.book.give("i1", "noise", who="ann", via="api")
    again = replace(ALERT, time_ms=NOON_MS + DAY_MS)
    assert made.policy.quiet(again, again.time_ms).until_ms == again.time_ms + round(LONGEST_S * 1000)


def test_an_expected_alert_is_told_when_its_time_of_day_is_over():
    made = world(incident(replace(ALERT, ended_ms=NOON_MS + 600_000)))
    made.book.give("i1", "expected", who="ann", via="api")
    again = replace(ALERT, time_ms=NOON_MS + DAY_MS)
    assert made.policy.quiet(again, again.time_ms).until_ms == NOON_MS + DAY_MS + 600_000 + 3_600_000
    assert made.policy.quiet(again, NOON_MS + DAY_MS + 4 * 3_600_000) is None


def test_an_absence_is_judged_by_how_long_it_lasts():
    gone = replace(SLOW, went="absent", value=float("nan"))
    made = world(incident(gone))
    made.book.give("i1", "noise", who="ann", via="api")
    again = replace(gone, started_ms=NOON_MS + DAY_MS, ended_ms=None)
    assert made.policy.quiet(again, NOON_MS + DAY_MS + 60_000).until_ms == NOON_MS + DAY_MS + 750_000
    assert made.policy.quiet(again, NOON_MS + DAY_MS + 750_000) is None


@pytest.mark.parametrize(("answer", "days"), [("noise", 30), ("expected", 90)])
def test_every_rule_ends_by_itself(answer, days):
    made = world(incident(SLOW))
    made.book.give("i1", answer, who="ann", via="api")
    last_noon_ms = NOON_MS + days * DAY_MS
    assert is_quiet(made, sized(1.0, last_noon_ms), last_noon_ms)
    assert not is_quiet(made, sized(1.0, last_noon_ms + DAY_MS), last_noon_ms + DAY_MS)


def test_a_subject_is_named_by_series_and_way_or_by_alert_and_service():
    assert subject_of(SLOW) == "cart|latency_p95 up"
    assert subject_of(ALERT) == "alert HighErrors of cart"
    assert subject_of(Event("x9", 0, "", "alert")) == "alert x9"


def test_no_verdict_no_rule():
    assert Policy().quiet(SLOW, NOON_MS) is None
    assert Policy().rules(NOON_MS) == {}
