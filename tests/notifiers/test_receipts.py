from __future__ import annotations

import asyncio

import pytest

from aiops.errors import StoreError
from aiops.model import Incident
from aiops.notifiers import Receipts
from aiops.notifiers import receipts as module
from aiops.notifiers.checks import MemoryReceipts
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from tests.notifiers._broken_receipts import BrokenReceipts


@pytest.fixture(params=["in memory", "in the store"])
def place(request, tmp_path):
    if request.param == "in memory":
        yield MemoryReceipts()
        return
    store = open_sqlite(tmp_path / "aiops.sqlite")
    yield store
    store.close()


def test_receipts_are_kept_beside_each_other_and_overwritten_by_name(place):
    async def story():
        grafana, jira = Receipts(place, "grafana"), Receipts(place, "jira")
        await grafana.keep("i1", {"id": "7", "text": "old"})
        await grafana.keep("i1", {"text": "new"})
        await grafana.keep("i2", {"id": "8"})
        await jira.keep("i1", {"id": "OPS-1"})
        assert await grafana.of("i1") == {"id": "7", "text": "new"}
        assert await grafana.named("id") == {"i1": "7", "i2": "8"}
        assert await jira.of("i1") == {"id": "OPS-1"}
        assert await jira.of("i2") == await jira.named("text") == {}
        await grafana.keep("i1", {"id": ""})
        assert await grafana.of("i1") == {"text": "new"}

    asyncio.run(story())


def test_receipts_outlive_a_restart_and_go_with_their_incident(tmp_path):
    path = tmp_path / "aiops.sqlite"
    store = open_sqlite(path)
    over = Incident("over", "resolved", "", "warning", 1, 1, 1, 10)
    store.commit(Cycle([over, Incident("open", "open", "", "warning", 1, 1, 1)]))
    for incident in ("over", "open", ""):
        store.keep_receipts("chat", incident, {"ts": incident or "digest"})
    store.close()
    again = open_sqlite(path)
    assert again.prune(50)["receipts"] == 1
    assert again.receipts_named("chat", "ts") == {"open": "open", "": "digest"}
    again.close()


def test_what_can_do_without_the_store_waits_in_memory_until_it_works_again():
    async def story():
        broken = BrokenReceipts()
        receipts = Receipts(broken, "am")
        await receipts.note("i1", {"alert": "a", "old": "x"})
        await receipts.note("i1", {"old": ""})
        assert await receipts.recall("i1") == {"alert": "a"}
        assert await receipts.recall("i2") == {}
        with pytest.raises(StoreError):
            await receipts.keep("i1", {"alert": "b"})
        with pytest.raises(StoreError):
            await receipts.of("i1")
        broken.is_broken = False
        broken.keep_receipts("am", "i1", {"old": "x"})
        await receipts.note("i1", {"more": "m"})
        assert await receipts.of("i1") == {"alert": "a", "more": "m"}

    asyncio.run(story())


def test_what_waits_in_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_UNSAVED", 2)

    async def story():
        receipts = Receipts(BrokenReceipts(), "am")
        for name in ("i1", "i2", "i3"):
            await receipts.note(name, {"a": "1"})
        assert [await receipts.recall(name) for name in ("i1", "i2", "i3")] == [{}, {"a": "1"}, {"a": "1"}]

    asyncio.run(story())
