from __future__ import annotations

from aiops.model import Signal
from aiops.packs import EdgeRule, Pack, Recipe, Selector
from aiops.packs.match import present

RATIO = Recipe("a", Signal("error_ratio", "errors"), "ratio", Selector("errors"), Selector("requests"))
LEVEL = Recipe("a", Signal("used", "saturation"), "level_ratio", Selector("used"), Selector("size"))
EDGE = EdgeRule("a", Selector("calls"), ("client",), ("server",))
PACKS = {
    "a": Pack("a", "A", ("requests",), (RATIO, LEVEL), (EDGE,)),
    "b": Pack("b", "B", ("calls",), (), (EDGE,)),
}


def test_a_pack_is_cut_down_to_what_is_there():
    assert present(PACKS, ["requests", "used"]) == {"a": Pack("a", "A", ("requests",), (RATIO,))}
    assert present(PACKS, ["requests", "used", "size"])["a"].recipes == (RATIO, LEVEL)


def test_a_pack_may_give_edges_only():
    assert list(present(PACKS, ["calls", "used", "size"])) == ["b"]


def test_a_pack_whose_metrics_give_nothing_is_absent():
    packs = {"a": Pack("a", "A", ("errors",), (RATIO,))}
    assert present(packs, ["errors"]) == {}
    assert present(packs, []) == {}
