"""Samples that are wrong in time or number: each is a counted and logged drop, and the right ones are unharmed."""

import time

import httpx
import numpy as np
import pytest

from aiops.demo.encode import HEADERS, encode_block, key_of
from tests.bad_input._told import now_ms, opened, post_alert, post_samples, requests_of, scraped
from tests.services._aiops_process import wait_for

DAY_MS = 86_400_000


def dropped(service, reason):
    return scraped(service.url, "aiops_samples_dropped_total", source="push", reason=reason)


def push(service, name, *samples):
    answer = post_samples(service.url, [(requests_of(name), samples)])
    assert answer.status_code == 204, answer.text


def until(service, is_so):
    """Go on pushing good samples, so that ticks close, until something is so."""
    wait_for(lambda: push(service, "live", (now_ms(), time.time() % 1e6)) or is_so(), 30, service.log_tail)


def closed(service):
    """Push until a tick has closed, so that there is a past for samples to be late for."""
    taken = scraped(service.url, "aiops_samples_total", source="push")
    until(service, lambda: scraped(service.url, "aiops_samples_total", source="push") > taken)


@pytest.mark.parametrize(
    ("reason", "offset_ms"),
    [("future", DAY_MS), ("future", 10**13), ("too_old", -90 * DAY_MS), ("too_old", -(10**13)), ("late", -600_000)],
)
def test_samples_of_another_time_are_counted_and_logged_and_hold_up_no_others(service, reason, offset_ms):
    closed(service)
    before = dropped(service, reason)
    push(service, "odd", (now_ms() + offset_ms, 1.0), (now_ms() + offset_ms + 1, 2.0))
    until(service, lambda: dropped(service, reason) == before + 2)
    assert f'event="samples dropped" reason={reason}' in (service.folder / "aiops.log").read_text(encoding="utf-8")
    closed(service)


def test_repeated_samples_count_once(service):
    closed(service)
    before, at_ms = dropped(service, "duplicate"), now_ms()
    for _ in range(3):
        push(service, "repeated", (at_ms, 7.0))
    until(service, lambda: dropped(service, "duplicate") == before + 2)


def test_reversed_samples_are_taken_like_ordered_ones(service):
    closed(service)
    names = ("late", "duplicate", "future", "too_old")
    before, at_ms = [dropped(service, name) for name in names], now_ms()
    push(service, "reversed", *((at_ms + 50 * k, 100.0 + k) for k in reversed(range(20))))
    closed(service)
    assert [dropped(service, name) for name in names] == before


def flood(service, names, first, count):
    """Push one sample of `count` new series."""
    body = encode_block(
        [key_of(names(n)) for n in range(first, first + count)], np.array([now_ms()]), np.ones((1, count))
    )
    answer = httpx.post(f"{service.url}/api/v1/write", content=body, headers=HEADERS, timeout=60.0)
    assert answer.status_code == 204, answer.text


FLOODS = {
    # Of one label of a watched metric: 20,000 values are held.
    "values": ("label_limit", lambda n: requests_of("cart", path=f"/{'x' * 80}/{n}"), 60_000, 10_000),
    # Of a metric nobody watches: 200,000 are remembered, and none is a loss.
    "unwatched": ("", lambda n: (("__name__", "nobody_watches"), ("path", f"/{n}")), 220_000, 10_000),
    # 40 kB each: together 400 MB.
    "long": (
        "series_limit",
        lambda n: requests_of("cart", **{f"l{k}": f"{n}{'x' * 4000}" for k in range(10)}),
        10_000,
        250,
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_label_values_is_counted_and_holds_memory(service, receiver, kind):
    reason, names, count, at_once = FLOODS[kind]
    island = f"island-{list(FLOODS).index(kind)}"
    until(service, lambda: True)
    before_bytes = scraped(service.url, "process_resident_memory_bytes")
    before = dropped(service, reason) if reason else 0
    for first in range(0, count, at_once):
        flood(service, names, first, at_once)
    grown_bytes = scraped(service.url, "process_resident_memory_bytes") - before_bytes
    assert grown_bytes < 350 * 2**20, "label sets may take 128 MB, twice, and what lies around them"
    if reason:
        until(service, lambda: dropped(service, reason) > before)
        assert f'event="samples dropped" reason={reason}' in service.log_tail()
    assert post_alert(service.url, island).status_code == 202
    wait_for(lambda: island in opened(receiver), 30, service.log_tail)
