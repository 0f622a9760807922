from __future__ import annotations

from aiops import _suppressed
from aiops._suppressed import SuppressedItems
from aiops.model import Event


def test_what_is_over_the_limit_is_counted_and_room_is_made_by_taking(monkeypatch):
    monkeypatch.setattr(_suppressed, "MOST", 2)
    items = SuppressedItems()
    for name in ("a", "b", "c", "a"):
        items.note(Event(name, 0, "cart", "alert"), "repeated", 5)
    assert ([s.item_id for s in items.take()], items.dropped) == (["a", "b"], 1)
    items.note(Event("c", 0, "cart", "alert"), "repeated", 6, "i1")
    assert [(s.item_id, s.incident_id) for s in items.take()] == [("c", "i1")]
