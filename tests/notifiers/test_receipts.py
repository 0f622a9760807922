from __future__ import annotations

import asyncio

import pytest

from aiops.model import Incident
from aiops.notifiers import Receipts
from aiops.notifiers.checks import MemoryReceipts
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite


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
