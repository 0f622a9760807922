"""What a real Prometheus makes of our queries, against the same arithmetic on arrays."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from aiops.model import SeriesKey, Signal
from aiops.packs import EdgeRule, Recipe, Selector
from aiops.packs.arithmetic import bucket_quantile, signal_values
from aiops.packs.keys import PEER_PATTERN, SERVICE_PATTERN, edge_of, peer_of, series_key
from aiops.packs.load import built_in
from aiops.packs.promql import count_query, edges_query, query
from aiops.packs.selector import parse_selector, quoted, selector_text
from aiops.series import service_of

pytestmark = pytest.mark.service

SERIES = {
    # cart runs in two namespaces and is one service; its errors are in one of them
    'all_total{job="a/cart",code="200"}': 3.0,
    'all_total{job="b/cart",code="200"}': 1.0,
    'all_total{job="a/cart",code="500"}': 1.0,
    'all_total{job="shop",code="200"}': 2.0,
    'all_total{job="quiet",code="500"}': 0.25,
    'all_total{job="named",service_name="other/payments",code="500"}': 4.0,
    'spent_total{job="a/cart"}': 2.5,
    'spent_total{job="shop"}': 1.0,
    'spent_total{job="quiet"}': 1.0,
    'time_bucket{job="a/cart",le="0.1"}': 1.0,
    'time_bucket{job="b/cart",le="0.1"}': 1.0,
    'time_bucket{job="a/cart",le="0.2"}': 3.0,
    'time_bucket{job="b/cart",le="0.2"}': 2.0,
    'time_bucket{job="a/cart",le="+Inf"}': 3.0,
    'time_bucket{job="b/cart",le="+Inf"}': 2.0,
    'time_bucket{job="quiet",le="0.1"}': 0.25,
    'time_bucket{job="quiet",le="+Inf"}': 0.25,
    'used{job="a/cart",pool="x"}': 3.0,
    'used{job="b/cart",pool="x"}': 6.0,
    'used{job="shop",pool="y"}': 1.0,
    'size{job="a/cart",pool="x"}': 10.0,
    'size{job="b/cart",pool="x"}': 20.0,
    'size{job="shop",pool="y"}': 0.0,
    'calls_total{client="shop",server="cart.ns.svc.cluster.local:80"}': 1.0,
    'calls_total{client="shop",server="cart:81"}': 1.0,
    'calls_total{client="shop",server="gone"}': 0.0,
    'calls_total{client="cart",server="dns:///db:5432"}': 2.0,
    'calls_total{client="cart",server="cart"}': 2.0,
    'calls_total{client="",server="cart"}': 2.0,
}
SIGNAL = Signal("s", "errors", min_traffic=0.5)
RATIO = Recipe(
    "p",
    SIGNAL,
    "ratio",
    parse_selector('all_total{code=~"5.."}'),
    Selector("all_total"),
    service=("service_name", "job"),
)


@pytest.fixture(scope="module")
def real(prometheus):
    return prometheus(SERIES)


def measured(real, recipe: Recipe, window_s: float = 60.0) -> dict[str, float]:
    found = {}
    for labels, value in real.answer(query(recipe, window_s)):
        key = series_key(recipe, labels)
        assert key is not None
        assert str(key) not in found
        found[str(key)] = pytest.approx(value)
    return found


def raw(name: str) -> tuple[dict[str, str], float]:
    selector = parse_selector(name)
    return {"__name__": selector.metric, **{m.label: m.value for m in selector.matchers}}, SERIES[name]


def joined(recipe: Recipe, selector: Selector | None, join=np.sum) -> dict[SeriesKey, float]:
    """One side of a recipe on raw series: what the evaluation of pushed samples does."""
    found: dict[SeriesKey, list[float]] = {}
    for labels, value in map(raw, SERIES):
        key = series_key(recipe, labels)
        if selector is not None and selector.accepts(labels) and key is not None:
            found.setdefault(key, []).append(value)
    return {key: float(join(values)) for key, values in found.items()}


def computed(recipe: Recipe, join=np.sum) -> dict[str, float]:
    of, to = joined(recipe, recipe.of, join), joined(recipe, recipe.to, join)
    keys = sorted(to or of)
    values = signal_values(
        recipe, np.array([of.get(k, np.nan) for k in keys]), np.array([to[k] for k in keys]) if to else None
    )
    return {str(key): value for key, value in zip(keys, values.tolist(), strict=True) if not np.isnan(value)}


def test_every_query_of_every_pack_is_accepted(real):
    for pack in built_in().values():
        for recipe in pack.recipes:
            assert real.answer(query(recipe, 61.5)) == []
            assert real.answer(count_query(recipe, 60)) == []
        for rule in pack.edges:
            assert real.answer(edges_query(rule, 300)) == []


def test_an_error_ratio_is_the_same_pulled_and_pushed(real):
    assert measured(real, RATIO) == computed(RATIO) == {"cart|s": 0.2, "shop|s": 0.0, "payments|s": 1.0}
    quiet = replace(RATIO, signal=Signal("s", "errors"))
    assert measured(real, quiet)["quiet|s"] == computed(quiet)["quiet|s"] == 1.0


def test_a_rate_is_the_same_pulled_and_pushed(real):
    rate = replace(RATIO, form="rate", to=None, scale=60.0)
    assert measured(real, rate) == computed(rate) == {"cart|s": 60.0, "quiet|s": 15.0, "payments|s": 240.0}


def test_a_mean_is_the_same_pulled_and_pushed(real):
    mean = replace(RATIO, form="mean", of=Selector("spent_total"), scale=0.001)
    assert measured(real, mean) == computed(mean) == {"cart|s": 0.0005, "shop|s": 0.0005}


@pytest.mark.parametrize(("agg", "join"), [("sum", np.sum), ("max", np.max), ("min", np.min), ("avg", np.mean)])
def test_levels_are_the_same_pulled_and_pushed(real, agg, join):
    gauge = replace(RATIO, form="gauge", of=Selector("used"), to=None, agg=agg, by=("pool",))
    assert measured(real, gauge) == computed(gauge, join)
    share = replace(gauge, form="level_ratio", to=Selector("size"))
    assert measured(real, share) == computed(share, join)
    assert list(computed(share, join)) == ["cart|s{pool=x}"]


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
def test_a_quantile_is_the_same_pulled_and_pushed(real, q: float):
    recipe = replace(RATIO, form="quantile", of=Selector("time_bucket"), to=None, q=q)
    bounds = np.array([0.1, 0.2, np.inf])
    of = bucket_quantile(q, bounds, np.array([[2.0, 5.0, 5.0], [0.25, np.nan, 0.25]]))
    expected = signal_values(recipe, of, np.array([5.0, 0.25]))
    assert np.isnan(expected[1])
    assert measured(real, recipe) == {"cart|s": pytest.approx(expected[0])}


def test_a_call_is_named_the_same_pulled_and_pushed(real):
    call = replace(RATIO, form="rate", of=Selector("calls_total"), to=None, service=("client",), peer=("server",))
    found = {}
    for labels, value in real.answer(query(call, 60)):
        found[series_key(call, labels)] = value
    found.pop(None)
    assert found == pytest.approx(joined(call, call.of))
    assert {str(key) for key in found} == {"shop>cart|s", "shop>gone|s", "cart>db|s"}


def test_edges_are_the_calls_that_still_happen(real):
    rule = EdgeRule("p", Selector("calls_total"), ("client",), ("server",))
    found = {edge_of(rule, labels) for labels, _ in real.answer(edges_query(rule, 60))} - {None}
    assert found == {("shop", "cart"), ("cart", "db")}


def test_counts_are_per_service(real):
    counts = {labels["aiops_service"]: value for labels, value in real.answer(count_query(RATIO, 60))}
    assert counts == {"cart": 1.0, "shop": 1.0, "payments": 1.0}


NAMES = [
    "cart",
    "ns/cart",
    "a/b/cart",
    "cart:80",
    "dns:///cart.ns.svc:80",
    "ns/",
    "",
    "x.y.svc.cluster.local",
    "[::1]:80",
    "a\nb",
]


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", ["", "shop/x"])
def test_names_are_cut_out_of_labels_alike(real, first: str, second: str):
    labelled = f'label_replace(vector(1), "a", {quoted(f"{first};{second}")}, "", "")'
    labels = {"one": first, "two": second}
    for pattern, python in ((SERVICE_PATTERN, service_of), (PEER_PATTERN, peer_of)):
        ((answer, _),) = real.answer(f'label_replace({labelled}, "b", "$1", "a", {quoted(pattern)})')
        assert answer.get("b", "") == python(labels, ("one", "two"))


def test_patterns_of_packs_mean_the_same_to_prometheus_and_to_us(real):
    texts = [
        "",
        "500",
        "5xx",
        "50",
        "404",
        "localhost",
        "10.0.0.1",
        "::1",
        "cart",
        "Internal",
        "UNKNOWN",
        "14",
        "4",
        "POD",
        "lo",
        "eth0",
        "veth1",
        "tmpfs",
        "fuse.x",
    ]
    patterns = {
        m.value
        for pack in built_in().values()
        for r in pack.recipes
        for s in (r.of, r.to)
        if s
        for m in s.matchers
        if "~" in m.op
    }
    assert len(patterns) > 10
    for text in texts:
        terms = [
            f'label_replace(label_replace(vector(1), "a", {quoted(text)}, "", ""), "b", "{n}", "a", {quoted(p)})'
            for n, p in enumerate(patterns)
        ]
        matched = {labels["b"] for labels, _ in real.answer(" or ".join(terms)) if "b" in labels}
        assert matched == {
            str(n) for n, p in enumerate(patterns) if re.compile(p, re.DOTALL | re.ASCII).fullmatch(text)
        }


def test_a_selector_with_every_kind_of_sign_is_accepted_and_means_itself(real):
    hard = "x\"\\\n\t\x00{}\u00e4\U0001f600\ufffd`'$1"
    selector = parse_selector(f"used{{pool!={quoted(hard)}}}")
    assert len(real.answer(selector_text(selector))) == 3
    # In a replacement $ names a group, and $$ is the sign itself.
    ((labels, _),) = real.answer(f'label_replace(vector(1), "a", {quoted(hard.replace("$", "$$"))}, "", "")')
    assert labels == {"a": hard}
