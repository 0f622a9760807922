import io
import logging
import math
import re
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aiops._logs import AGAIN_S, KeyValueFormatter, RepeatFilter
from aiops._scores import flat_labels
from aiops.errors import ConfigError
from aiops.events import Received
from aiops.model import Anomaly, Block, Event, Incident, SeriesKey
from aiops.sources import Batch
from aiops.telemetry import Condition, Health, ScoreRow, Scores, Telemetry, setup_logging

NOW_S = 1_700_000_000.0


def values(telemetry: Telemetry) -> dict[str, float]:
    """Every sample by `name{labels}`, as a Prometheus would read it."""
    found = {}
    for family in text_string_to_metric_families(telemetry.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def telemetry(**options: int) -> Telemetry:
    made = Telemetry(clock=lambda: NOW_S, **options)
    made.add_source("push", watched=lambda: 7, reasons=("late", "future"))
    made.add_receiver("console")
    return made


def anomaly(number: str, ended_ms: int | None = None) -> Anomaly:
    key = SeriesKey("latency_p95", "cart")
    nan = math.nan
    return Anomaly(number, key, "latency", "s", "up", True, 0, 0, ended_ms, nan, nan, nan, nan, 1.0, 1.0)


def test_every_metric_starts_at_zero_for_every_label() -> None:
    at_start = values(telemetry())
    for name in (
        "aiops_samples_total{source=push}",
        "aiops_samples_dropped_total{reason=late,source=push}",
        "aiops_cycle_lag_seconds{source=push}",
        "aiops_source_up{source=push}",
        "aiops_anomalies_total{kind=saturation}",
        "aiops_incidents_total{status=flapping}",
        "aiops_incidents_open",
        "aiops_notifications_total{receiver=console,result=rejected}",
        "aiops_outbox_pending",
        "aiops_outbox_dead",
        "aiops_store_errors_total",
        "aiops_rankings_failed_total",
        "aiops_snapshot_age_seconds",
        "aiops_events_total{kind=deploy,source=api}",
        "aiops_events_rejected_total{reason=unreadable,source=grafana}",
        "aiops_http_requests_total{endpoint=write,result=overloaded}",
        "aiops_cycle_duration_seconds_count",
    ):
        assert at_start[name] == 0.0
    assert at_start["aiops_watched_series{source=push}"] == 7
    assert [v for k, v in at_start.items() if k.startswith("aiops_build_info")] == [1.0]
    assert "process_resident_memory_bytes" in at_start
    assert not [k for k in at_start if "_created" in k]


def test_two_of_them_do_not_get_in_each_others_way() -> None:
    one, other = telemetry(), telemetry()
    one.store_error()
    assert values(one)["aiops_store_errors_total"] == 1
    assert values(other)["aiops_store_errors_total"] == 0


def test_a_batch_counts_samples_lag_and_each_anomaly_once() -> None:
    made = telemetry()
    block = Block(np.array([1], np.int64), np.array([0, 1, 2], np.int32), np.array([[1.0, math.nan, 3.0]]))
    position = int(NOW_S * 1000) - 45_000
    made.batch("push", Batch(position, (block, block)), [anomaly("a"), anomaly("b")])
    made.batch("push", Batch(position), [anomaly("a"), anomaly("a", ended_ms=5)])
    made.batch("push", Batch(int(NOW_S * 1000) + 9000))
    got = values(made)
    assert got["aiops_samples_total{source=push}"] == 4
    assert got["aiops_source_up{source=push}"] == 1
    assert got["aiops_cycle_lag_seconds{source=push}"] == 0
    assert got["aiops_anomalies_total{kind=latency}"] == 2
    made.batch("push", Batch(position))
    assert values(made)["aiops_cycle_lag_seconds{source=push}"] == 45


def test_an_incident_counts_when_its_status_changes() -> None:
    made = telemetry()
    for status in ("forming", "open", "open", "flapping"):
        made.incident(Incident("i", status, "", "warning", 0, 0))
    made.incident(Incident("j", "forming", "", "warning", 0, 0))
    got = values(made)
    assert [got[f"aiops_incidents_total{{status={s}}}"] for s in ("forming", "open", "flapping")] == [2, 1, 1]
    assert got["aiops_incidents_open"] == 1
    made.incident(Incident("i", "resolved", "", "warning", 0, 0))
    assert values(made)["aiops_incidents_open"] == 0


def test_the_rest_is_counted_where_it_belongs() -> None:
    now = [NOW_S]
    made = Telemetry(clock=lambda: now[0])
    made.dropped("push", "late", 3)
    made.watched("push", 12)
    made.source_up("push", up=False)
    made.cycle(0.02)
    made.ranking_failed()
    made.notified("console", "sent")
    made.outbox(4, 1)
    made.event(Event("1", 0, "cart", "deploy", source="api"))
    made.event(Event("2", 0, "cart", "deploy", source="/a/strangers/pipeline"))
    made.told("events", Received((), (("type not understood", 2),)))
    for status in (0, 204, 404, 500, 503):
        made.answered("write", status)
    made.answered("made up", 200)
    now[0] += 90
    assert values(made)["aiops_snapshot_age_seconds"] == 90
    made.snapshot_taken()
    got = values(made)
    assert got["aiops_snapshot_age_seconds"] == 0
    assert got["aiops_samples_dropped_total{reason=late,source=push}"] == 3
    assert got["aiops_watched_series{source=push}"] == 12
    assert got["aiops_source_up{source=push}"] == 0
    assert got["aiops_cycle_duration_seconds_bucket{le=0.025}"] == 1
    assert got["aiops_rankings_failed_total"] == 1
    assert got["aiops_notifications_total{receiver=console,result=sent}"] == 1
    assert (got["aiops_outbox_pending"], got["aiops_outbox_dead"]) == (4, 1)
    assert got["aiops_events_total{kind=deploy,source=api}"] == got["aiops_events_total{kind=deploy,source=other}"] == 1
    assert got["aiops_events_rejected_total{reason=type not understood,source=events}"] == 2
    results = {r: got[f"aiops_http_requests_total{{endpoint=write,result={r}}}"] for r in ("ok", "refused", "failed")}
    assert set(results.values()) == {1}
    assert got["aiops_http_requests_total{endpoint=write,result=overloaded}"] == 1
    assert got["aiops_http_requests_total{endpoint=write,result=gone}"] == 1
    assert got["aiops_http_requests_total{endpoint=other,result=ok}"] == 1


def row(service: str, score: float, **labels: str) -> ScoreRow:
    return ScoreRow(SeriesKey("latency_p95", service, labels=tuple(labels.items())), score, 0.3, math.nan, 0.5)


def test_scores_are_asked_for_at_each_scrape_and_show_no_opinion_as_nothing() -> None:
    made, rows = telemetry(), [row("cart", 0.5), row("db", math.nan)]
    made.add_scores(lambda _: Scores(rows))
    name = "{peer=,service=cart,signal=latency_p95}"
    got = values(made)
    assert (got[f"anomaly_score{name}"], got[f"yhat{name}"], got[f"yhat_upper{name}"]) == (0.5, 0.3, 0.5)
    assert not [k for k in got if "db" in k or k.startswith("yhat_lower")]
    rows[0] = row("cart", 2.5)
    assert values(made)[f"anomaly_score{name}"] == 2.5


def test_under_the_cap_the_highest_scores_are_shown_and_the_rest_counted() -> None:
    made = telemetry(max_score_series=2)
    rows = [row("a", 0.1), row("b", 3.0), row("d", 0.2), row("c", 0.2), row("e", math.nan)]
    made.add_scores(lambda most: Scores(rows, left_out=100 * most))
    got = values(made)
    shown = sorted(m[1] for k in got if (m := re.match(r"anomaly_score\{.*service=(\w)", k)))
    assert shown == ["b", "c"]
    assert got["aiops_scores_left_out"] == 202


def test_labels_are_made_safe_and_stay_apart() -> None:
    odd = (("", "0"), ("0x", "1"), ("__name__", "2"), ("a.b", "3"), ("a_b", "4"), ("peer", "5"), ("ü", "6" * 999))
    flat = flat_labels(SeriesKey("s", "v", "p", odd))
    assert flat == {
        "signal": "s",
        "service": "v",
        "peer": "p",
        "label_": "0",
        "label_0x": "1",
        "label___name__": "2",
        "a_b": "3",
        "a_b_": "4",
        "label_peer": "5",
        "_": "6" * 256,
    }
    assert len(flat_labels(SeriesKey("s", "v", labels=tuple((f"l{i}", "") for i in range(99))))) == 19


def test_hostile_label_values_do_not_break_the_format() -> None:
    made = telemetry()
    made.add_scores(lambda _: Scores([row('a"}\n evil 1\\', 1.0)]))
    assert [k for k in values(made) if "evil" in k and k.startswith("anomaly_score{")]


def test_health_keeps_since_when_and_why() -> None:
    now = [NOW_S]
    health = Health(clock=lambda: now[0])
    health.expect("store", "prometheus")
    assert health.reasons()[0].startswith("prometheus: starting (since 2023-11-14T22:13:20Z)")
    health.good("store")
    health.good("prometheus")
    assert health.reasons() == []
    now[0] += 60
    health.bad("prometheus", "refused")
    now[0] += 60
    health.bad("prometheus", "timeout")
    health.good("store")
    health.expect("store")
    start_ms = int(NOW_S * 1000)
    assert health.condition("prometheus") == Condition(ok=False, since_ms=start_ms + 60_000, reason="timeout")
    assert health.condition("store") == Condition(ok=True, since_ms=start_ms)
    assert list(health.conditions()) == ["prometheus", "store"]
    health.forget("prometheus")
    assert (health.reasons(), health.condition("prometheus")) == ([], None)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    level, out = root.level, io.StringIO()
    handler = setup_logging("info", out)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)


log = logging.getLogger("aiops.test")


def test_a_log_line_is_pairs_with_the_text_as_event(stream: io.StringIO) -> None:
    log.warning("samples dropped reason=%s count=%d rate=%.2f", "too late", 3, 0.5)
    log.info("started")
    log.debug("never seen")
    first, second = stream.getvalue().splitlines()
    assert re.match(r"time=\d{4}-\d\d-\d\dT[\d:.]+Z level=warning logger=aiops.test ", first)
    assert first.endswith('event="samples dropped" reason="too late" count=3 rate=0.50')
    assert second.endswith("level=info logger=aiops.test event=started")


def test_nothing_from_outside_can_forge_a_line(stream: io.StringIO) -> None:
    log.warning("label odd name=%s", 'x\ntime=2000 level=error event="all is lost" a=b')
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r'name="x\ntime=2000 level=error event=\"all is lost\" a=b"')


def test_messages_of_another_form_are_one_text(stream: io.StringIO) -> None:
    log.warning("took %d ms for x=%s", 5, "y")
    log.warning("x=%s and more %s", 1, 2)
    log.warning("by name %(a)s", {"a": 1})
    assert [line.split("event=")[1] for line in stream.getvalue().splitlines()] == [
        '"took 5 ms for x=y"',
        '"x=1 and more 2"',
        '"by name 1"',
    ]


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        log.exception("cycle failed shard=%s", "a")
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith('event="cycle failed" shard=a')
    assert lines[1] == "  Traceback (most recent call last):"
    assert lines[-1].startswith("  ZeroDivisionError")


def test_the_same_error_twice_in_a_row_is_written_once(stream: io.StringIO) -> None:
    for reason in ("refused", "refused", "timeout", "refused"):
        log.error("read failed reason=%s", reason)
    log.info("source is back")
    log.error("read failed reason=%s", "refused")
    log.info("tick")
    log.info("tick")
    events = [line.split("event=")[1] for line in stream.getvalue().splitlines()]
    assert events[:3] == [f'"read failed" reason={r}' for r in ("refused", "timeout", "refused")]
    assert events[3:] == ['"source is back"', '"read failed" reason=refused', "tick", "tick"]


def test_an_error_that_stays_is_said_again_with_a_count() -> None:
    now = [0.0]
    kept = RepeatFilter(clock=lambda: now[0])

    def record(text: str = "disk is full path=%s") -> logging.LogRecord:
        return logging.LogRecord("a", logging.ERROR, "", 0, text, ("/data",) if "%" in text else (), None)

    assert [kept.filter(record()) for _ in range(3)] == [True, False, False]
    now[0] = AGAIN_S
    again = record()
    assert kept.filter(again)
    assert KeyValueFormatter().format(again).endswith("path=/data repeated=2")
    plain = record("plain 100% text")
    plain.args = ()
    plain.__dict__["repeated"] = 2
    assert KeyValueFormatter().format(plain).endswith('event="plain 100% text" repeated=2')


def test_debug_lines_neither_repeat_nor_reset() -> None:
    kept = RepeatFilter(clock=lambda: 0.0)

    def says(level: int) -> bool:
        return kept.filter(logging.LogRecord("a", level, "", 0, "same", (), None))

    assert [says(level) for level in (logging.ERROR, logging.DEBUG, logging.DEBUG, logging.ERROR)] == [
        True,
        True,
        True,
        False,
    ]


def test_setting_up_again_replaces_and_an_unknown_level_is_an_error(stream: io.StringIO) -> None:
    second = io.StringIO()
    handler = setup_logging("debug", second)
    log.debug("seen")
    logging.getLogger("httpx").info("GET every second")
    logging.getLogger().removeHandler(handler)
    assert stream.getvalue() == ""
    assert second.getvalue().count("event=") == 1
    with pytest.raises(ConfigError, match="level: must be one of debug, info, warning, error, got 'loud'"):
        setup_logging("loud")


def test_verdicts_are_counted_from_the_start_by_what_came_of_them():
    telemetry, counts = Telemetry(), {"noise": 0, "refused": 2}
    telemetry.add_verdicts(counts)
    assert b'aiops_verdicts_total{what="refused"} 2.0' in telemetry.render()
    counts["noise"] += 1
    assert b'aiops_verdicts_total{what="noise"} 1.0' in telemetry.render()


def test_a_source_that_is_asked_waits_until_it_is_told_otherwise() -> None:
    made, waits = telemetry(), [True]
    made.add_asked("main", lambda: waits[0])
    assert values(made)["aiops_source_waiting{source=main}"] == 1
    waits[0] = False
    assert values(made)["aiops_source_waiting{source=main}"] == 0
