"""A service that ends and starts again, in order or not, on a store that may be damaged."""

from __future__ import annotations

import asyncio

import pytest

from aiops.errors import StoreError
from aiops.series import SeriesTable
from aiops.stores.sqlite import open_sqlite
from tests.runners._world import (
    FAULT,
    Feed,
    Killed,
    World,
    outcome,
    saved_incidents,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@pytest.mark.parametrize("snapshot_s", [1e9, 5.0, 0.0], ids=["never", "now and then", "every cycle"])
def test_a_kill_between_any_two_cycles_changes_nothing(tmp_path, snapshot_s):
    whole = World(tmp_path / "whole.sqlite")
    whole.run()
    expected = outcome(whole.path)
    assert len(expected[0]) == 1
    for cut in range(1, whole.store.commits + 1):
        first = World(tmp_path / f"{cut}.sqlite", dies=cut, snapshot_s=snapshot_s)
        first.store.on_commit = lambda _, wall=first.wall: setattr(wall, "now_s", wall.now_s + 1)
        with pytest.raises(Killed):
            first.run()
        World(first.path).run()
        assert outcome(first.path) == expected, f"killed before commit {cut}"


def test_a_stop_after_any_cycle_saves_the_detectors_and_changes_nothing(tmp_path):
    whole = World(tmp_path / "whole.sqlite")
    whole.run()
    for cut in range(1, whole.store.commits):
        first = World(tmp_path / f"{cut}.sqlite")
        first.run(until=lambda world=first, n=cut: world.store.commits >= n)
        second = World(first.path)
        second.run()
        assert second.sources[0].asked == [first.pipeline.shards[0].told_ms]
        assert outcome(first.path) == outcome(whole.path), f"stopped in commit {cut}"


def test_a_restarted_service_knows_what_is_open(path):
    first = World(path)
    first.run(until=lambda: bool(first.pager.heard))
    second = World(path, [Feed(first.sources[0].values[: FAULT.stop - 5])])
    seen = []
    second.run(until=lambda: seen.append(second.metric("aiops_incidents_open")) or len(seen) > 3)
    assert seen[-1] == 1


def damaged(path, **snapshots):
    """Break what one life has left in the store."""
    first = World(path, snapshot_s=0.0)
    first.run(until=lambda: bool(first.pager.heard))
    store = open_sqlite(path)
    with store.database.transaction() as write:
        for statement, value in snapshots.items():
            table, column = statement.split("__")
            write.run(f"UPDATE {table} SET body = :value WHERE {column}", {"value": value})  # noqa: S608 - the test's own words
    store.close()


@pytest.mark.parametrize("body", [b"", b"\x63\x03rest", b"\x01\x03" + b"\x00" * 20], ids=["empty", "version", "cut"])
def test_a_snapshot_that_cannot_be_read_starts_the_detectors_cold_and_keeps_incidents(path, caplog, body):
    whole = World(path.with_name("whole"))
    whole.run()
    damaged(path, **{"snapshots__1 = 1": body})
    second = World(path)
    second.run()
    assert second.sources[0].asked == [None]
    assert "detectors start cold source=shop" in caplog.text
    assert outcome(path) == outcome(whole.path)


def test_deviations_that_cannot_be_read_are_forgotten_with_a_warning(path, caplog):
    damaged(path, **{"states__name LIKE 'tracks%'": b"\x63"})
    second = World(path)
    second.run()
    assert "deviations under way are forgotten source=shop" in caplog.text
    assert len(saved_incidents(path)) == 1


def test_incidents_that_cannot_be_read_stop_the_start(path):
    damaged(path, **{"states__name = 'triage'": b"\x63\x01rest"})
    with pytest.raises(StoreError, match="version"):
        World(path).run()


def test_another_step_starts_the_detectors_cold(path, caplog):
    damaged(path)
    second = World(path, [Feed(step_s=15.0)])
    second.run()
    assert second.sources[0].asked == [None]
    assert "the step was 30.0 s and is 15.0 s now" in caplog.text


def test_a_lower_limit_of_series_starts_the_detectors_cold(path, caplog):
    damaged(path)
    second = World(path, [Feed(table=SeriesTable(limit=1))])
    second.run(until=lambda: bool(second.sources[0].asked))
    assert second.sources[0].asked == [None]
    assert "more series than the limit of 1" in caplog.text


def test_a_table_that_is_numbered_already_starts_the_detectors_cold(path, caplog):
    damaged(path)
    feed = Feed()
    asyncio.run(_first(feed))
    World(path, [feed]).run()
    assert "numbered its series before" in caplog.text


async def _first(feed):
    async for _ in feed.read(None):
        return
