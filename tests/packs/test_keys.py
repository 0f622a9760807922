from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.model import SeriesKey, Signal
from aiops.packs import EdgeRule, Recipe, Selector
from aiops.packs.keys import Owners, edge_of, peer_of, series_key

PLAIN = Recipe("p", Signal("s", "traffic"), "rate", Selector("m"), service=("service_name", "job"), by=("pool", "disk"))
CALL = replace(PLAIN, peer=("server_address",), by=())


def test_raw_labels_and_query_results_name_the_same_series():
    key = SeriesKey("s", "cart", "", (("disk", "sda"),))
    assert series_key(PLAIN, {"job": "shop/cart", "disk": "sda", "pool": "", "instance": "x"}) == key
    assert series_key(PLAIN, {"aiops_service": "cart", "disk": "sda"}) == key


def test_a_call_is_named_by_both_ends():
    key = SeriesKey("s", "cart", "db")
    assert series_key(CALL, {"job": "cart", "server_address": "db.shop.svc:5432"}) == key
    assert series_key(CALL, {"aiops_service": "cart", "aiops_peer": "db"}) == key


@pytest.mark.parametrize(
    "labels", [{}, {"job": ""}, {"job": "cart"}, {"server_address": "db"}, {"job": "a", "server_address": "a"}]
)
def test_a_series_without_service_or_callee_or_calling_itself_is_not_watched(labels: dict[str, str]):
    assert series_key(CALL, labels) is None


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("payments", "payments"),
        ("payments:8080", "payments"),
        ("payments.shop.svc", "payments"),
        ("payments.shop.svc.cluster.local:443", "payments"),
        ("dns:///payments.shop.svc:50051", "payments"),
        ("shop/payments", "payments"),
        ("api.example.com:443", "api.example.com"),
        ("", ""),
    ],
)
def test_a_callee_known_by_address_is_the_service_behind_it(address: str, name: str):
    assert peer_of({"a": address}, ("a",)) == name


def test_an_edge_needs_two_different_services():
    rule = EdgeRule("p", Selector("m"), ("client",), ("server",))
    assert edge_of(rule, {"client": "a", "server": "ns/b"}) == ("a", "b")
    assert edge_of(rule, {"aiops_service": "a", "aiops_peer": "b"}) == ("a", "b")
    assert edge_of(rule, {"client": "a", "server": "a"}) is None
    assert edge_of(rule, {"client": "a"}) is None


def test_the_first_recipe_that_shows_a_series_owns_it():
    owners, other = Owners(), replace(PLAIN, pack="other")
    cart, shop = SeriesKey("s", "cart"), SeriesKey("s", "shop")
    assert owners.take(cart, PLAIN)
    assert owners.take(cart, replace(PLAIN))
    assert not owners.take(cart, other)
    assert owners.take(shop, other)
    assert owners.refused == 1
