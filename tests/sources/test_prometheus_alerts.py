import asyncio
import random

import pytest

from aiops.errors import Unavailable
from aiops.sources import _prometheus_alerts
from tests.sources._fake_prometheus import FakePrometheus, Trouble, serve
from tests.sources._prometheus_world import NEWEST_MS, STEP_MS, World

QUERY = 'ALERTS{alertstate="firing"}'
FIRES, ENDS = "firing", "resolved"


@pytest.fixture
def world():
    fake = FakePrometheus()
    stop = serve(fake)
    yield World(fake)
    stop()


def labels(name, **more):
    return {"__name__": "ALERTS", "alertname": name, "alertstate": "firing", **more}


def at_rows(*rows):
    return lambda t: "1" if round(t * 1000 - NEWEST_MS) // STEP_MS in rows else None


def alerts(world, rows):
    async def go():
        source = world.build()
        try:
            return await source.alerts(NEWEST_MS, NEWEST_MS + (rows - 1) * STEP_MS)
        finally:
            await source.client.aclose()

    return asyncio.run(go())


def told(events):
    return [((e.time_ms - NEWEST_MS) // STEP_MS, e.labels[0][1], e.status) for e in events]


def test_each_stretch_is_one_alert_with_a_beginning_and_an_end(world):
    world.fake.series[QUERY] = [(labels("Slow", service="shop/cart"), at_rows(2, 3, 4, 7, 8))]
    events = alerts(world, 12)
    assert told(events) == [
        (2, "Slow", "firing"),
        (5, "Slow", "resolved"),
        (7, "Slow", "firing"),
        (9, "Slow", "resolved"),
    ]
    assert [events[0].id == e.id for e in events] == [True, True, False, False]
    first = events[0]
    assert (first.service, first.kind, first.description, first.source) == ("cart", "alert", "Slow", "prometheus")
    assert first.labels == (("alertname", "Slow"), ("service", "shop/cart"))


def test_an_alert_that_goes_on_after_the_period_has_no_end(world):
    world.fake.series[QUERY] = [(labels("Slow"), at_rows(0, 1, 2, 3, 4))]
    assert told(alerts(world, 4)) == [(0, "Slow", "firing")]


def test_events_of_all_alerts_come_in_time_order(world):
    world.fake.series[QUERY] = [(labels("B"), at_rows(1, 2)), (labels("A"), at_rows(0, 1, 2, 3, 4))]
    assert told(alerts(world, 6)) == [
        (0, "A", "firing"),
        (1, "B", "firing"),
        (3, "B", "resolved"),
        (5, "A", "resolved"),
    ]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 100])
def test_reading_in_pieces_changes_nothing(world, monkeypatch, piece):
    monkeypatch.setattr(_prometheus_alerts, "ALERT_ROWS", piece)
    rng = random.Random(piece)
    rows = [sorted(rng.sample(range(40), 20)) for _ in range(3)]
    world.fake.series[QUERY] = [(labels(f"A{k}"), at_rows(*r)) for k, r in enumerate(rows)]
    found = {(row, name, status) for row, name, status in told(alerts(world, 40))}
    wanted = set()
    for k, r in enumerate(rows):
        wanted |= {(i, f"A{k}", "firing") for i in r if i - 1 not in r}
        wanted |= {(i + 1, f"A{k}", "resolved") for i in r if i + 1 not in r and i + 1 < 40}
    assert found == wanted


def test_alerts_made_to_fire_always_are_left_out(world):
    world.fake.series[QUERY] = [(labels("Watchdog", severity="none"), at_rows(0, 1))]
    assert alerts(world, 3) == []


def test_a_dead_server_is_an_error_not_a_quiet_period(world):
    world.fake.always["*"] = Trouble(503, b"down")
    with pytest.raises(Unavailable, match="HTTP 503: down"):
        alerts(world, 3)
