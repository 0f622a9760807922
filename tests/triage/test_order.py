"""Properties of triage that hold for any input."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.model import Anomaly, Event, SeriesKey
from aiops.triage import Rank, Ranked, Send, Tick, Triage, TriageSettings
from rca import Ranking, ServiceGraph

START_MS = 1_700_000_000_000
GRAPH = ServiceGraph([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f"), ("x", "y")])
SERVICES = st.sampled_from(["a", "b", "c", "d", "e", "f", "x", "y", "unknown1", "unknown2", ""])
STARTS = st.integers(-20, 0).map(lambda minutes: START_MS + minutes * 60_000)


@st.composite
def anomalies(draw, number):
    begin = draw(STARTS)
    service = draw(SERVICES)
    series = SeriesKey(draw(st.sampled_from(["latency_p95", "error_ratio"])), service)
    band = (draw(st.floats(1, 9)), 1.0, 0.5, 1.5, 9.0, 2.0)
    kind = "errors" if series.signal == "error_ratio" else "latency"
    return Anomaly(f"m{number}", series, kind, "s", "up", draw(st.booleans()), begin, START_MS, None, *band)


@st.composite
def events(draw, number):
    kind = draw(st.sampled_from(["alert", "deploy", "config"]))
    return Event(f"m{number}", draw(STARTS), draw(SERVICES), kind, "words", status="firing" if kind == "alert" else "")


@st.composite
def arrivals(draw):
    count = draw(st.integers(1, 9))
    return [draw(st.one_of(anomalies(number), events(number))) for number in range(count)]


def run(items, gaps_s):
    """Feed items within the group wait, a tick after each, then let the wait end."""
    triage = Triage(TriageSettings(group_wait_s=60))
    triage.graph = GRAPH
    at_ms = START_MS
    for item, gap_s in zip(items, gaps_s, strict=True):
        assert triage.feed(item, at_ms) == []
        assert triage.feed(Tick(), at_ms) == []
        at_ms += gap_s * 1000
    told = []
    for tick_s in (60 + len(items) * 5, 75 + len(items) * 5):
        for action in triage.feed(Tick(), START_MS + tick_s * 1000):
            if isinstance(action, Rank):
                told += triage.feed(Ranked(action.incident.id, Ranking()), START_MS + tick_s * 1000)
            else:
                told.append(action)
    return triage.incidents(), sorted(told, key=lambda send: send.notification.key)


@settings(max_examples=300, deadline=None)
@given(arrivals(), st.randoms(use_true_random=False), st.data())
def test_the_order_of_arrival_within_the_group_wait_cannot_matter(items, random, data):
    gaps_s = data.draw(st.lists(st.integers(0, 5), min_size=len(items), max_size=len(items)))
    shuffled = random.sample(items, len(items))
    assert run(items, gaps_s) == run(shuffled, gaps_s)


@settings(max_examples=200, deadline=None)
@given(arrivals())
def test_every_paging_member_is_in_exactly_one_incident_and_nothing_else_opens_one(items):
    incidents, _ = run(items, [0] * len(items))
    held = [m.id for i in incidents for m in (*i.anomalies, *i.alerts)]
    wanted = {
        m.id for m in items if (isinstance(m, Anomaly) and m.pages) or (isinstance(m, Event) and m.kind == "alert")
    }
    assert len(held) == len(set(held))
    assert wanted <= set(held)
    for incident in incidents:
        assert any(a.pages for a in incident.anomalies) or incident.alerts


@settings(max_examples=200, deadline=None)
@given(arrivals(), st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=12))
def test_no_clock_however_wrong_breaks_it(items, clock):
    triage = Triage(TriageSettings())
    triage.graph = GRAPH
    keys = []
    for step, now_ms in enumerate(clock):
        item = items[step % len(items)]
        actions = triage.feed(item, now_ms) + triage.feed(Tick(), now_ms)
        over = replace(item, ended_ms=now_ms) if isinstance(item, Anomaly) else replace(item, status="resolved")
        actions += triage.feed(over, now_ms + 1) if step % 3 == 2 else []
        keys += [a.notification.key for a in actions if isinstance(a, Send)]
        triage.restore(triage.snapshot())
        assert all(i.started_ms <= max(clock) + 1 or i.started_ms <= START_MS for i in triage.incidents())
    assert len(keys) == len(set(keys))
