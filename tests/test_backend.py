"""What the HTTP side is answered: from a real store, a real pushed source and real detectors."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from aiops.backend import ServiceBackend, score_rows
from aiops.demo.encode import HEADERS, encode_block
from aiops.detection.accepted import Accepted
from aiops.errors import InputError, Overloaded, StoreError, TooLarge
from aiops.model import Incident, SeriesKey
from aiops.series import SeriesTable
from aiops.sources._pushed_samples import Taken, WriteLimits, key_of
from aiops.sources.otlp import OtlpReader
from aiops.sources.push import PushSettings, PushSource
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from aiops.telemetry import Health, Telemetry
from tests._verdict_world import book_over
from tests.runners._world import GRAPH, SERIES, START_MS, Feed, alert, pipeline_of, shop_values
from tests.sources._otlp_world import PROTOBUF, gauge, request
from tests.sources._push_wall import PACK, T0, series

DB_IS_SLOW = Incident("i-db", "open", "db is slow", "critical", START_MS, START_MS + 60_000, services=("db", "cart"))
CART_WAS_SLOW = replace(DB_IS_SLOW, id="i-cart", status="resolved", started_ms=START_MS - 3_600_000, services=("cart",))


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def feed():
    return Feed(shop_values(faults=()))


@pytest.fixture
def backend(store, feed):
    return ServiceBackend(
        store, pipeline_of([feed]), Telemetry(), Health(lambda: START_MS / 1000), Woken(), book=book_over()
    )


def pushed(backend, limits=None):
    source = PushSource([PACK], SeriesTable(), PushSettings(step_s=60), clock=lambda: T0 / 1000, limits=limits)
    return replace(backend, push=source, otlp=OtlpReader(source.offer, limits or WriteLimits()))


def body():
    return encode_block([key_of(series("level", job="cart"))], np.array([T0]), np.array([[1.5]]))


def wrote(backend, data):
    asyncio.run(backend.write(data, HEADERS))


# -- what comes in


def test_samples_are_refused_with_the_setting_that_would_take_them(backend):
    with pytest.raises(InputError, match=r"push\.enabled to true"):
        wrote(backend, body())


def test_samples_go_to_the_pushed_source(backend):
    backend = pushed(backend)
    wrote(backend, body())
    health = backend.push.health
    assert (health.received, health.accepted) == (1, 1)


def test_a_body_over_the_limit_of_the_settings_is_refused(backend):
    backend = pushed(backend, WriteLimits(body_bytes=10))
    with pytest.raises(TooLarge):
        wrote(backend, body())
    assert backend.push.health.received == 0


def test_events_are_on_the_disk_when_their_sender_is_answered_and_the_cycle_is_woken(backend, store):
    backend.health.bad("store", "disk was full")
    asyncio.run(backend.events([alert("a1"), alert("a2")]))
    another = open_sqlite(store.database.path, read_only=True)
    assert [one.event.id for one in another.inbox()] == ["a1", "a2"]
    another.close()
    assert backend.wake.times == 1
    assert backend.ready() == []


@pytest.mark.parametrize("kind", [StoreError, Overloaded])
def test_events_that_could_not_be_kept_are_an_error_a_count_and_a_reason_not_to_be_ready(backend, kind):
    class Full:
        def put_events(self, _):
            raise kind("disk is full")

    backend = replace(backend, store=Full())
    with pytest.raises(kind):
        asyncio.run(backend.events([alert()]))
    assert b"aiops_store_errors_total 1.0" in backend.metrics()
    assert backend.ready() == ["store: disk is full (since 2023-11-14T22:13:00Z)"]
    assert backend.wake.times == 0


# -- what is asked


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((None, "", 0, 10), ["i-db", "i-cart"]),
        ((None, "", 0, 1), ["i-db"]),
        (("open", "", 0, 10), ["i-db"]),
        (("resolved", "", 0, 10), ["i-cart"]),
        ((None, "db", 0, 10), ["i-db"]),
        ((None, "cart", 0, 10), ["i-db", "i-cart"]),
        ((None, "", START_MS, 10), ["i-db"]),
        ((None, "", START_MS + 1, 10), []),
        (("resolved", "db", 0, 10), []),
    ],
)
def test_saved_incidents_are_filtered_by_status_service_start_and_number(backend, store, asked, found):
    store.commit(Cycle([CART_WAS_SLOW, DB_IS_SLOW]))
    assert [incident.id for incident in backend.incidents(*asked)] == found


def test_one_incident_is_found_by_its_id(backend, store):
    store.commit(Cycle([DB_IS_SLOW]))
    assert backend.incident("i-db") == DB_IS_SLOW
    assert backend.incident("other") is None


def test_ready_says_which_part_is_not_well(backend):
    backend.health.expect("prom")
    assert backend.ready() == ["prom: starting (since 2023-11-14T22:13:00Z)"]
    backend.health.good("prom")
    assert backend.ready() == []


def test_the_graph_is_the_one_triage_uses(backend):
    assert backend.graph() is GRAPH
    backend.pipeline.triage.graph = replaced = type(GRAPH)([("a", "b")])
    assert backend.graph() is replaced


def test_nothing_is_undone_and_nobody_woken_for_an_id_that_was_never_accepted(backend):
    assert backend.accepted() == []
    assert not asyncio.run(backend.undo("an1"))
    assert backend.wake.times == 0


def test_an_undo_is_handed_to_the_cycle_once_it_is_woken_and_only_while_the_level_holds(backend):
    detection = backend.pipeline.shards[0].detection
    level = Accepted("an1", SERIES[0][0], "s", "deploy", START_MS, START_MS + 60_000, 0.2, 0.4)
    detection._accepted.all = (level,)
    assert backend.accepted() == [level]
    assert asyncio.run(backend.undo("an1"))
    assert backend.wake.times == 1
    assert list(backend.pipeline._to_undo) == ["an1"]
    detection._accepted.all = (replace(level, undone_ms=START_MS + 90_000),)
    assert not asyncio.run(backend.undo("an1"))
    assert backend.wake.times == 1


# -- scores


def taken(pipeline, feed, rows):
    async def take():
        async for batch in feed.read(None):
            pipeline.shards[0].feed(batch)
            if batch.position >= START_MS + 30_000 * (rows - 1):
                return

    asyncio.run(take())


def test_there_are_no_scores_before_the_first_row(backend):
    assert score_rows(backend.pipeline.shards, 10).rows == []


def test_every_watched_series_has_a_score_and_its_band_and_a_fault_is_over_the_border(backend, feed):
    feed.values[726, 1] = 1.5
    taken(backend.pipeline, feed, 720 + 7)
    rows = {row.series: row for row in score_rows(backend.pipeline.shards, 10).rows}
    assert set(rows) == {key for key, _ in SERIES}
    cart, db = (rows[key] for key, _ in SERIES)
    assert cart.score < 1 < db.score
    assert cart.lower < cart.expected < cart.upper
    assert cart.expected == pytest.approx(0.2, rel=0.05)
    assert all(math.isfinite(x) for x in (db.expected, db.lower, db.upper))


def test_scores_are_on_the_page_of_metrics(backend, feed):
    backend.telemetry.add_scores(partial(score_rows, backend.pipeline.shards))
    assert b"anomaly_score{" not in backend.metrics()
    taken(backend.pipeline, feed, 727)
    page = backend.metrics().decode()
    for name in ("anomaly_score", "yhat", "yhat_lower", "yhat_upper"):
        assert f'{name}{{peer="",service="db",signal="latency_p95"}} ' in page


class Growing:
    """Detection whose thread takes a batch with one more series between two looks at it."""

    def __init__(self, *lengths):
        self.lengths = list(lengths)

    def border_scores(self):
        return np.zeros(self.lengths.pop(0))

    @property
    def view(self):
        ones = np.ones(self.lengths.pop(0))
        return SimpleNamespace(expected=ones, lower=ones, upper=ones)


@pytest.mark.parametrize("lengths", [(1, 2), (2, 1)])
def test_series_that_appear_while_scores_are_read_do_not_break_the_page(feed, lengths):
    for one in SERIES:
        feed.table.add(*one)
    shard = SimpleNamespace(detection=Growing(*lengths), source=feed)
    assert [row.series for row in score_rows([shard], 10).rows] == [SERIES[0][0]]


def test_of_many_series_only_the_highest_are_written_out_and_the_others_counted():
    table = SeriesTable()
    for number in range(6):
        table.add(SeriesKey("latency_p95", f"s{number}"), SERIES[0][1])
    scores = np.array([0.1, 3.0, np.nan, 0.1, 0.2, 0.1])
    detection = SimpleNamespace(
        border_scores=lambda: scores, view=SimpleNamespace(expected=scores + 1, lower=scores, upper=scores + 2)
    )
    rows, left_out = score_rows([SimpleNamespace(detection=detection, source=SimpleNamespace(table=table))], 3)
    assert [(row.series.service, row.score, row.expected) for row in rows] == [
        ("s1", 3.0, 4.0),
        ("s4", 0.2, 1.2),
        ("s0", 0.1, 1.1),
    ]
    assert left_out == 2


def otlp(backend, *metrics):
    return asyncio.run(backend.otlp_metrics(request(*metrics).SerializeToString(), PROTOBUF))


def test_otlp_goes_to_the_pushed_source(backend):
    backend = pushed(backend)
    assert otlp(backend, gauge(1.0, T0 * 10**6, "level"), gauge(1.0, T0 * 10**6, "nobody_watches")) == Taken()
    assert (backend.push.health.accepted, backend.push.health.unwatched) == (1, 1)


def test_samples_dropped_for_their_time_are_told_to_the_sender(backend):
    taken = otlp(pushed(backend), gauge(1.0, T0 * 10**6 * 2, "level"), gauge(1.0, 0, "level"))
    assert taken == Taken(1, "data points left out: no time 1 (first in 'level'); samples dropped: future 1")


def test_otlp_without_a_pushed_source_is_wrong_for_good(backend):
    with pytest.raises(InputError, match=r"push\.enabled"):
        otlp(backend, gauge())


def test_otlp_that_does_not_fit_comes_again(backend):
    source = PushSource([PACK], SeriesTable(), PushSettings(step_s=60, max_pending_samples=2), clock=lambda: T0 / 1000)
    backend = replace(backend, push=source, otlp=OtlpReader(source.offer))
    otlp(backend, gauge(1.0, T0 * 10**6, "level"), gauge(1.0, T0 * 10**6, "level", a="b"))
    with pytest.raises(Overloaded):
        otlp(backend, gauge(1.0, T0 * 10**6, "level"))
