from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import Reject, Retry
from aiops.model import Anomaly, Incident, SeriesKey
from aiops.notifiers import Receipts
from aiops.notifiers._region import regions_of
from aiops.notifiers._rest import Rest
from aiops.notifiers.checks import MemoryReceipts, check_notifier, example
from aiops.notifiers.grafana import GrafanaNotifier
from tests.notifiers._fake_grafana import TOKEN, FakeGrafana

NOTE = example()
INCIDENT = NOTE.incident
START_MS = INCIDENT.started_ms
END_MS = START_MS + 600_000
OVER = replace(INCIDENT, status="resolved", resolved_ms=END_MS, updated_ms=END_MS)
DAY_MS = 86_400_000


def made(url, store=None, **more):
    rest = Rest("grafana", url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout_s=5)
    more = {"live": list, "page": "https://ops.example"} | more
    return GrafanaNotifier(rest, Receipts(store or MemoryReceipts(), "grafana"), lambda: START_MS, **more)


def note(incident, reason="opened"):
    return replace(NOTE, key=f"{incident.id}:{reason}:grafana", incident=incident, reason=reason)


def anomaly(name, started_ms, **more):
    return replace(INCIDENT.anomalies[0], id=name, started_ms=started_ms, **more)


def test_it_keeps_to_the_contract_of_notifiers():
    check_notifier(made, secrets=[TOKEN], body=b'{"message": "Annotation added", "id": 7}')


def told(story):
    """Run a story with a fake and receipts that last."""

    async def run():
        async with FakeGrafana() as grafana:
            return await story(grafana, MemoryReceipts())

    return asyncio.run(run())


def shown(grafana):
    """(start, end, kind) of every annotation, in minutes after the start of the incident."""
    minutes = lambda t: (t - START_MS) / 60_000
    return sorted(
        (minutes(a["time"]), minutes(a["timeEnd"]), a["tags"][1].removeprefix("aiops:"))
        for a in grafana.annotations.values()
    )


def test_a_region_for_the_incident_and_for_each_anomaly_that_pages_is_opened_and_closed():
    async def story(grafana, store):
        one = made(grafana.url, store, tags=["team:shop"])
        quiet = anomaly("quiet", START_MS, pages=False)
        incident = replace(INCIDENT, anomalies=(*INCIDENT.anomalies, quiet))
        receipt = await one.send(note(incident))
        assert receipt.reference == "1"
        assert shown(grafana) == [(0.0, 0.0, "anomaly"), (0.0, 0.0, "incident")]
        assert grafana.annotations[1]["tags"] == [
            *("aiops", "aiops:incident", "aiops:incident:0123456789ab", "severity:critical", "team:shop"),
            "service:checkout",
        ]
        assert grafana.annotations[2]["tags"][2:] == [
            *("aiops:incident:0123456789ab", "aiops:anomaly:a1", "team:shop", "service:checkout", "signal:latency_p95")
        ]
        text = grafana.annotations[1]["text"]
        assert '<a href="https://ops.example/incidents/0123456789ab">' in text
        assert "Cause: payments  deploy, 80% sure" in text
        assert "v2 &lt;b&gt;" in text, "text of others is no HTML"
        later = anomaly("a1", START_MS, ended_ms=START_MS + 120_000)
        await one.send(note(replace(OVER, anomalies=(later,)), "resolved"))
        assert shown(grafana) == [(0.0, 2.0, "anomaly"), (0.0, 10.0, "incident")]
        assert "resolved after 10 min" in grafana.annotations[1]["text"]
        await one.close()

    told(story)


def test_the_same_again_changes_nothing_and_after_a_restart_neither():
    async def story(grafana, store):
        for _ in range(3):
            one = made(grafana.url, store)
            await one.send(note(INCIDENT))
            await one.send(note(INCIDENT))
            await one.close()
        assert grafana.writes() == [("POST", "/api/annotations")] * 2

    told(story)


@pytest.mark.parametrize("fault", ["lost 0", "lost 500", "lost 502"])
def test_a_region_that_may_have_been_created_is_looked_for_before_it_is_created_again(fault):
    async def story(grafana, store):
        one = made(grafana.url, store)
        for number in range(4):
            grafana.faults = ["fine"] * (number % 2) + [fault]
            with pytest.raises(Retry):
                await one.send(note(INCIDENT))
            await one.close()
            one = made(grafana.url, store)
        grafana.faults = []
        await one.send(note(INCIDENT))
        await one.close()
        assert len(shown(grafana)) == 2

    told(story)


@pytest.mark.parametrize(("fault", "kind"), [("answer 429", Retry), ("answer 403", Reject)])
def test_a_region_that_was_not_created_is_created_without_a_search(fault, kind):
    async def story(grafana, store):
        one = made(grafana.url, store)
        grafana.faults = [fault]
        with pytest.raises(kind):
            await one.send(note(INCIDENT))
        await one.send(note(INCIDENT))
        await one.close()
        assert [asked.method for asked in grafana.asked] == ["POST", "POST", "POST"]

    told(story)


def test_one_that_never_reached_grafana_is_created_after_the_search_finds_nothing():
    async def story(grafana, store):
        one = made(grafana.url, store)
        grafana.faults = ["answer 500"]
        with pytest.raises(Retry):
            await one.send(note(INCIDENT))
        await one.send(note(INCIDENT))
        await one.close()
        assert [asked.method for asked in grafana.asked] == ["POST", "GET", "POST", "POST"]
        assert len(shown(grafana)) == 2

    told(story)


def test_what_somebody_deleted_stays_deleted():
    async def story(grafana, store):
        one = made(grafana.url, store)
        await one.send(note(INCIDENT))
        del grafana.annotations[1]
        await one.send(note(OVER, "resolved"))
        await one.send(note(OVER, "resolved"))
        await one.close()
        assert [kind for *_, kind in shown(grafana)] == ["anomaly"]

    told(story)


def test_between_notifications_anomalies_of_told_incidents_open_and_close():
    async def story(grafana, store):
        known = []
        one = made(grafana.url, store, live=lambda: known)
        known.append(replace(INCIDENT, id="nobody-knows"))
        await one.tend(START_MS)
        assert shown(grafana) == []
        await one.send(note(INCIDENT))
        first = anomaly("a1", START_MS, ended_ms=START_MS + 60_000)
        second = anomaly("a2", START_MS + 120_000)
        known.append(replace(INCIDENT, anomalies=(first, second), updated_ms=START_MS + 120_000))
        await one.tend(START_MS)
        assert shown(grafana) == [(0.0, 0.0, "incident"), (0.0, 1.0, "anomaly"), (2.0, 2.0, "anomaly")]
        count = len(grafana.asked)
        await one.tend(START_MS)
        assert len(grafana.asked) == count, "nothing has changed"
        await one.send(note(replace(OVER, anomalies=(first, second)), "resolved"))
        await one.tend(START_MS)
        assert shown(grafana) == [(0.0, 1.0, "anomaly"), (0.0, 10.0, "incident"), (2.0, 10.0, "anomaly")]
        await one.close()

    told(story)


def test_old_regions_of_ours_are_removed_every_hour_and_nothing_else_is():
    async def story(grafana, store):
        one = made(grafana.url, store, tags=["team:shop"], keep_ms=30 * DAY_MS)
        for number in range(250):
            started_ms = START_MS - (40 * DAY_MS if number < 240 else 0)
            tags = ["aiops", "aiops:incident", f"aiops:incident:{number}", "team:shop"]
            grafana.annotations[number] = {"id": number, "time": started_ms, "timeEnd": started_ms, "tags": tags}
        old = {"time": START_MS - 40 * DAY_MS, "timeEnd": START_MS - 40 * DAY_MS}
        grafana.annotations |= {
            900: {"id": 900, **old, "tags": ["aiops", "team:shop"]},
            901: {"id": 901, **old, "tags": ["aiops", "aiops:incident", "team:other"]},
            902: {"id": 902, **old, "timeEnd": START_MS, "tags": ["aiops", "aiops:incident", "team:shop"]},
        }
        await one.tend(START_MS)
        assert sorted(grafana.annotations) == [*range(240, 250), 900, 901, 902]
        count = len(grafana.asked)
        await one.tend(START_MS + 1_800_000)
        assert len(grafana.asked) == count
        await one.tend(START_MS + 3_600_000)
        assert len(grafana.asked) == count + 2
        await one.close()

    told(story)


def test_without_the_right_to_delete_the_reason_is_said():
    async def story(grafana, store):
        one = made(grafana.url, store, keep_ms=DAY_MS)
        await one.send(note(OVER, "resolved"))
        grafana.may_delete = False
        with pytest.raises(Reject, match="annotations:delete"):
            await one.tend(START_MS + 2 * DAY_MS)
        await one.close()

    told(story)


def test_hostile_sizes_stay_within_what_grafana_takes():
    async def story(grafana, store):
        services = tuple(f"service-with-a-long-name-{number}" for number in range(100))
        series = SeriesKey("s" * 300, "x" * 300)
        many = tuple(anomaly(f"a{n:03}", START_MS + n, series=series, explanation="y" * 100_000) for n in range(50))
        incident = replace(INCIDENT, title="t" * 100_000, services=services, anomalies=many)
        one = made(grafana.url, store, tags=["ö" * 300])
        await one.send(note(incident))
        await one.close()
        assert len(shown(grafana)) == 21
        texts = [a["text"] for a in grafana.annotations.values()]
        assert max(map(len, texts)) <= 8100
        assert all("incident 0123456789ab" in text and "… [cut]" in text for text in texts)

    told(story)


def test_a_clock_that_went_back_gives_no_region_that_ends_before_it_starts():
    past = replace(OVER, resolved_ms=START_MS - 5000)
    assert {r.end_ms for r in regions_of(past, (), "")} == {START_MS}


def test_an_absent_series_is_said_in_words():
    gone = Anomaly(
        *("g", SeriesKey("request_rate", "cart"), "traffic", "req/s", "absent", True, 1, 1, None),
        *(float("nan"), 120.0, 0.0, 0.0, 9.0, 2.0),
    )
    incident = Incident("i", "open", "cart: no more request rate", "warning", 1, 1, 1, anomalies=(gone,))
    assert "no data where 120 req/s is expected" in regions_of(incident, (), "")[1].text
