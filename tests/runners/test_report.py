"""What becomes of counts and conditions that the parts of the service keep to themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from aiops.errors import StoreError
from aiops.model import Block, Event
from aiops.sources import Batch
from tests.runners._reported import SILENT_AFTER_MS, T0, Found, Reported, Told, pull_health, push_health
from tests.runners._world import SERIES


def test_every_way_to_lose_samples_is_there_at_zero_before_anything_is_lost():
    pushed = Reported(Told("push"))
    assert [pushed.dropped(reason) for reason in ("late", "too_old", "future", "duplicate", "series_limit")] == [0] * 5
    assert pushed.dropped("table_full") is None
    pulled = Reported(Told("prom"))
    assert [pulled.dropped(reason) for reason in ("table_full", "no_service", "steps_missed", "off_grid")] == [0] * 4
    assert [pulled.dropped(reason) for reason in ("samples", "nan", "query_refused", "late")] == [None] * 4


def test_drops_of_pushed_samples_reach_the_metrics_once():
    source = Told("push", push_health(late=3))
    told = Reported(source)
    told.reporter.report()
    told.reporter.report()
    assert told.dropped("late") == 3
    source.health = push_health(late=5, future=1)
    told.reporter.report()
    assert (told.dropped("late"), told.dropped("future")) == (5, 1)


def test_losses_of_a_pulled_source_are_counted_and_what_is_no_loss_is_not():
    told = Reported(Found("prom", Told("prom", pull_health(samples=1000, nan=7, infinite=2, warnings=3))))
    told.reporter.report()
    told.reporter.report()
    assert told.dropped("infinite") == 2
    assert [told.dropped(reason) for reason in ("samples", "nan", "warnings")] == [None] * 3


def test_a_count_that_starts_anew_is_not_taken_off():
    source = Told("push", push_health(late=5))
    told = Reported(source)
    for late in (5, 1, 2):
        source.health = push_health(late=late)
        told.reporter.report()
    assert told.dropped("late") == 6


def test_two_sources_that_lose_the_same_number_are_both_counted():
    told = Reported(Told("a", pull_health(infinite=2)), Told("b", pull_health(infinite=2)))
    told.reporter.report()
    for name in "ab":
        assert told.metric("samples_dropped_total", source=name, reason="infinite") == 2


# -- how a source is


def test_a_source_that_was_never_heard_is_neither_up_nor_spoken_for():
    told = Reported(Found("prom"))
    told.health.expect("prom")
    told.reporter.report()
    assert told.up() == 0
    assert told.health.condition("prom").reason == "starting"


def test_a_source_that_is_asked_waits_for_its_first_value_and_push_for_nobody():
    told = Reported(Told("prom"), Told("push"))
    told.shard.source.table.add(*SERIES[0])

    def waits_after(*values):
        rows = np.array(values, np.float64).reshape(-1, 1)
        block = Block(T0 + 60_000 * np.arange(len(rows)), np.zeros(1, np.int32), rows)
        told.reporter.heard(told.shard, Batch(T0, (block,)))
        return told.metric("source_waiting", source="prom")

    assert told.metric("source_waiting", source="prom") == 1
    assert waits_after(np.nan) == 1, "an answer without a value is no sample"
    assert waits_after(1.0) == 0
    assert waits_after(np.nan) == 0
    assert told.metric("source_waiting", source="push") is None


def test_a_source_that_gave_a_batch_is_up():
    told = Reported(Told("push"))
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert told.up() == 1
    assert told.health.condition("push").ok


def test_a_source_is_silent_after_two_steps_and_a_little_and_well_again_with_its_next_batch():
    told = Reported(Told("push"))
    told.reporter.heard(told.shard)
    told.now_ms += SILENT_AFTER_MS
    told.reporter.report()
    assert told.up() == 1
    told.now_ms += 1
    told.reporter.report()
    assert told.up() == 0
    assert told.health.condition("push").reason == "no samples for 2 min 12 s"
    assert told.health.condition("push").since_ms == T0, "since the last batch, not since it was noticed"
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert (told.up(), told.health.reasons()) == (1, [])


def test_a_failure_is_told_at_once_and_holds_until_the_source_is_heard_again():
    told = Reported(Told("prom", pull_health()))
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert told.up() == 1
    told.reporter.failed(told.shard, "HTTP 401")
    assert told.up() == 0
    assert told.health.condition("prom").reason == "HTTP 401"
    told.reporter.report()
    assert told.health.condition("prom").reason == "HTTP 401"
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert (told.up(), told.health.reasons()) == (1, [])


@pytest.mark.parametrize(("error", "said"), [("ConnectError", "ConnectError"), ("", "does not answer")])
def test_a_server_that_does_not_answer_is_down_with_what_it_said_last(error, said):
    told = Reported(Found("prom", Told("prom", pull_health(up=False, last_error=error))))
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert told.up() == 0
    assert told.health.condition("prom").reason == said


def test_a_refused_query_beside_good_ones_does_not_make_a_server_down():
    told = Reported(Told("prom", pull_health(last_error="latency_p95: HTTP 422")))
    told.reporter.heard(told.shard)
    told.reporter.report()
    assert told.up() == 1


def test_a_source_of_which_nearly_all_series_are_missing_is_not_well():
    told = Reported(Told("push"))
    told.reporter.heard(told.shard)
    told.shard.detection.blind = True
    told.reporter.report()
    assert told.up() == 0
    assert told.health.condition("push").reason == "nearly all series are missing at once"


def test_the_number_of_watched_series_is_that_of_the_sources_table():
    told = Reported(Told("push"))
    assert told.metric("watched_series", source="push") == 0
    told.shard.source.table.add(*SERIES[0])
    assert told.metric("watched_series", source="push") == 1


# -- who was told


def test_every_outcome_of_every_receiver_is_there_at_zero():
    told = Reported(receivers=("pager", "chat"))
    for receiver in ("pager", "chat"):
        for result in ("sent", "retried", "rejected"):
            assert told.metric("notifications_total", receiver=receiver, result=result) == 0


def test_attempts_to_notify_reach_the_metrics_once():
    told = Reported(receivers=("pager", "chat"))
    told.delivery.counts += Counter({("pager", "sent"): 2, ("pager", "dead"): 1, ("chat", "retried"): 3})
    told.reporter.report()
    told.reporter.report()
    told.delivery.counts["pager", "sent"] += 1
    told.reporter.report()
    assert told.metric("notifications_total", receiver="pager", result="sent") == 3
    assert told.metric("notifications_total", receiver="pager", result="rejected") == 1
    assert told.metric("notifications_total", receiver="chat", result="retried") == 3
    assert told.metric("notifications_total", receiver="chat", result="sent") == 0


def test_what_waits_and_what_was_given_up_on_is_shown():
    told = Reported()
    told.store.outbox, told.store.dead = 4, 2
    told.reporter.report()
    assert (told.metric("outbox_pending"), told.metric("outbox_dead")) == (4, 2)
    told.store.outbox = 0
    told.reporter.report()
    assert told.metric("outbox_pending") == 0


def test_a_store_that_cannot_be_asked_is_the_callers_business_and_sources_were_told_of_before():
    told = Reported(Told("push", push_health(late=1)))
    told.store.fails = True
    with pytest.raises(StoreError):
        told.reporter.report()
    assert told.dropped("late") == 1


def batch(shard, *present, at_ms, history=False):
    """One row in which these of the source's series have a value."""
    table = shard.source.table
    values = np.array([[1.0 if table.key(i).service in present else np.nan for i in range(len(table))]])
    block = Block(np.array([at_ms]), np.arange(len(table), dtype=np.int32), values)
    return Batch(at_ms, (block,), history=history)


def shop():
    """A source of two services, each with a batch a minute for ten minutes."""
    source = Told("shop")
    for key, signal in SERIES:
        source.table.add(key, signal)
    told = Reported(source)
    for _ in range(10):
        step(told, "cart", "db")
    return told


def step(told, *present):
    told.now_ms += 60_000
    told.reporter.heard(told.shard, batch(told.shard, *present, at_ms=told.now_ms))
    told.reporter.report()


def test_a_batch_without_values_is_no_sign_of_life():
    told = shop()
    for _ in range(3):
        step(told)
    assert told.health.condition("shop").reason == "no samples for 3 min"


def test_a_source_that_sends_in_bursts_is_given_the_time_between_them():
    told = Reported(Told("burst"))
    for _ in range(3):
        told.reporter.heard(told.shard, Batch(told.now_ms))
        told.now_ms += 300_000
        told.reporter.report()
    told.reporter.heard(told.shard, Batch(told.now_ms))
    told.now_ms += 449_000
    told.reporter.report()
    assert told.health.reasons() == []
    told.now_ms += 2_000
    told.reporter.report()
    assert told.health.reasons()


def test_a_source_that_sends_what_is_long_past_is_a_warning_unless_it_catches_up():
    told = Reported(Told("late"))

    def hears(behind_s, times=5):
        for n in range(times):
            told.reporter.heard(told.shard, Batch(told.now_ms - round(1000 * behind_s(n))))
            told.reporter.report()
            told.now_ms += 60_000

    hears(lambda _: 600)
    assert told.health.warnings() == [], "ten steps are none too late"
    hears(lambda n: 3600 - 40 * n)
    assert told.health.warnings() == [], "it catches up"
    hears(lambda _: 3600)
    (warning,) = told.health.warnings()
    assert warning.startswith(
        "lag of late: sends data of 1 h ago and does not catch up: what happens is seen that late"
    )
    told.now_ms += 600_000
    told.reporter.report()
    assert told.health.warnings() == [], "it is silent now, which is worse and said alone"
    assert told.health.reasons()
    hears(lambda _: 60, times=1)
    assert (told.health.warnings(), told.health.reasons()) == ([], [])


def test_history_that_is_read_back_is_no_lag():
    told = Reported(Told("late"))
    for _ in range(5):
        told.reporter.heard(told.shard, Batch(told.now_ms - 86_400_000, history=True))
        told.reporter.report()
        told.now_ms += 60_000
    assert told.health.warnings() == []


def test_a_service_that_gives_no_samples_while_others_do_is_a_warning_until_it_is_back():
    told = shop()
    last_ms = told.now_ms
    for _ in range(2):
        step(told, "cart")
    assert told.health.warnings() == []
    step(told, "cart")
    condition = told.health.condition("service db")
    assert (condition.ok, condition.is_warning, condition.since_ms) == (False, True, last_ms)
    assert told.health.reasons() == [], "the service is ready all the same"
    step(told, "cart", "db")
    assert told.health.warnings() == []


def test_a_service_that_is_gone_for_an_hour_was_taken_away():
    told = shop()
    for _ in range(59):
        step(told, "cart")
    assert told.health.warnings()
    step(told, "cart")
    assert told.health.warnings() == []


def test_a_service_that_often_pauses_is_given_its_pauses():
    told = shop()
    for present in (("cart",), ("cart",), ("cart",), ("cart",), ("cart", "db")):
        step(told, *present)
    for _ in range(6):
        step(told, "cart")
    assert told.health.warnings() == []
    for _ in range(2):
        step(told, "cart")
    assert told.health.warnings()


def test_a_service_of_an_incident_is_told_of_already():
    told = shop()
    told.pipeline.triage.feed(Event("a", told.now_ms, "db", "alert", "Down", status="firing"), told.now_ms)
    for _ in range(5):
        step(told, "cart")
    assert told.health.warnings() == []


def test_of_data_that_catches_up_nothing_is_said_about_services():
    told = shop()
    told.now_ms += 3_600_000
    for _ in range(5):
        told.reporter.heard(told.shard, batch(told.shard, "cart", at_ms=told.now_ms - 3_000_000))
        told.reporter.report()
    assert told.health.warnings() == []


def test_a_receiver_that_fails_for_half_a_minute_is_not_well_since_its_first_failure():
    told = Reported(Told("push"), receivers=("chat",))
    told.delivery.failing["chat"] = (T0, "HTTP 500")
    told.now_ms += 29_999
    told.reporter.report()
    assert told.health.reasons() == []
    told.now_ms += 1
    told.reporter.report()
    condition = told.health.condition("receiver chat")
    assert (condition.reason, condition.since_ms) == ("does not take notifications: HTTP 500", T0)
    told.delivery.failing.clear()
    told.reporter.report()
    assert told.health.reasons() == []


def test_dead_letters_are_a_warning_that_says_what_to_do():
    told = Reported(Told("push"))
    told.store.dead = 2
    told.reporter.report()
    assert "2 will not be delivered: see `aiops dead-letters`" in told.health.warnings()[0]
    told.store.dead = 0
    told.reporter.report()
    assert told.health.warnings() == []


@pytest.mark.parametrize(("by_ms", "said"), [(3_600_000, "was set forward by 1 h"), (-60_000, "was set back by 1 min")])
def test_a_clock_that_jumps_is_said_for_three_minutes(by_ms, said):
    told = Reported(Told("push"))
    told.now_ms += by_ms
    told.jumped_ms += by_ms
    told.reporter.report()
    assert said in told.health.warnings()[0]
    told.now_ms += 179_999
    told.reporter.report()
    assert told.health.warnings()
    told.now_ms += 1
    told.reporter.report()
    assert told.health.warnings() == []


def test_a_clock_that_is_slewed_is_well():
    told = Reported(Told("push"))
    told.jumped_ms += 4_900
    told.reporter.report()
    assert told.health.warnings() == []


def test_a_cycle_that_does_not_end_is_not_well_since_it_began():
    told = Reported(Told("push"))
    told.reporter.working(now=True)
    told.now_ms += 75_001
    told.reporter.report()
    condition = told.health.condition("detection")
    assert (condition.ok, condition.since_ms) == (False, T0)
    assert "one cycle has been going on for 1 min 15 s" in condition.reason
    told.reporter.working(now=False)
    told.reporter.report()
    assert told.health.reasons() == []
