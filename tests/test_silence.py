from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.model import Anomaly, Event, Incident, SeriesKey
from aiops.silence import Matcher, Silence, is_silence, labels_of, proposal, why_silent

ANOMALY = Anomaly(
    *("a", SeriesKey("error_ratio", "cart", "", (("zone", "a"),)), "errors", "ratio", "up", True, 1, 2, None),
    *(0.5, 0.0, 0.0, 0.1, 9.0, 2.0),
)
ALERT = Event("e", 1, "db", "alert", labels=(("alertname", "Slow.Db"), ("team", "data")), status="firing")


def silence(*matchers, ends_ms=100, **more):
    return Silence(tuple(matchers), 10, ends_ms, **more)


@pytest.mark.parametrize(
    ("matcher", "holds"),
    [
        (Matcher("service", "cart"), True),
        (Matcher("service", "car"), False),
        (Matcher("service", "car", is_regex=True), False),
        (Matcher("service", "ca.*", is_regex=True), True),
        (Matcher("service", "cart", is_equal=False), False),
        (Matcher("service", "db|cart", is_regex=True, is_equal=False), False),
        (Matcher("missing", ""), True),
        (Matcher("missing", "x", is_equal=False), True),
        (Matcher("missing", ".+", is_regex=True), False),
    ],
)
def test_matchers_mean_what_they_mean_to_alertmanager(matcher, holds):
    assert silence(matcher).holds({"service": "cart"}, 50) is holds


def test_a_silence_holds_from_its_start_until_before_its_end_and_needs_all_its_matchers():
    one = silence(Matcher("service", "cart"), Matcher("zone", "a"))
    labels = {"service": "cart", "zone": "a"}
    assert [one.holds(labels, t) for t in (9, 10, 99, 100)] == [False, True, True, False]
    assert not one.holds({"service": "cart"}, 50)
    assert not silence().holds(labels, 50), "one without matchers would silence all"


def test_an_anomaly_has_the_labels_of_its_series_and_of_the_alert_it_would_be():
    assert labels_of(ANOMALY, {"cluster": "eu", "service": "x"}) == {
        "alertname": "AiopsIncident",
        "service": "cart",
        "severity": "critical",
        "signal": "error_ratio",
        "zone": "a",
        "cluster": "eu",
    }
    assert labels_of(ALERT) == {"alertname": "Slow.Db", "team": "data", "service": "db"}
    named = replace(ALERT, service="shop/db", labels=(("service", "db"),))
    assert labels_of(named) == {"service": "db"}, "what Alertmanager knows it by"


def test_the_reason_names_who_and_until_when_of_the_silence_that_lasts_longest():
    short = silence(Matcher("service", "cart"), created_by="ann")
    long = silence(Matcher("service", "cart"), ends_ms=7_200_000, created_by="bob", comment="new disks")
    why = why_silent([long, short], ANOMALY, 50)
    assert why == "silenced by bob until 1 Jan 02:00 UTC: new disks"
    assert is_silence(why)
    assert why_silent([long], ALERT, 50) == why_silent([], ANOMALY, 50) == ""


def test_a_proposal_holds_for_what_made_the_incident_and_for_nothing_else():
    incident = Incident(
        "i", "open", "cart: slow", "critical", 1, 1, 1, services=("cart", "db", "web"), anomalies=(ANOMALY,),
        alerts=(ALERT,),
    )  # fmt: skip
    made = proposal(incident, 1000, 3600, "ann")
    assert (made.starts_ms, made.ends_ms, made.created_by) == (1000, 3_601_000, "ann")
    assert "incident i" in made.comment
    assert [str(m) for m in made.matchers] == [
        'alertname=~"AiopsIncident|Slow\\.Db"',
        'service=~"cart|db"',
    ]
    assert why_silent([made], ANOMALY, 1000)
    assert why_silent([made], ALERT, 1000)
    other = replace(ALERT, service="web")
    assert why_silent([made], other, 1000) == ""
    assert why_silent([made], replace(ALERT, labels=(("alertname", "SlowXDb"),)), 1000) == ""


def test_a_proposal_for_alerts_alone_covers_those_that_fire():
    over = replace(ALERT, id="o", labels=(("alertname", "Old"),), status="resolved", service="web")
    incident = Incident("i", "open", "db: slow", "warning", 1, 1, 1, services=("db",), alerts=(over, ALERT))
    assert [str(m) for m in proposal(incident, 0, 60, "").matchers] == [
        'alertname=~"AiopsIncident|Slow\\.Db"',
        'service="db"',
    ]
