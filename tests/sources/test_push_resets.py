"""What happens to counters without anything happening to the service never pages."""

from collections.abc import Callable

import numpy as np
import pytest

from aiops.detection.machine import Detection
from aiops.model import Anomaly, Signal
from aiops.packs._recipe import Matcher, Pack, Recipe, Selector
from tests.sources._push_wall import T0, Wall, read, samples, series, source_at

SCRAPE_MS, HOURS, CHUNK = 30_000, 30, 60
N = HOURS * 120
AT = 26 * 120
"""The scrape at which something happens to the counters."""
ALL, FAILED = Selector("hits"), Selector("hits", (Matcher("code", "=~", "5.."),))
PACK = Pack(
    "t",
    "t",
    (),
    (
        Recipe("t", Signal("requests_rate", "traffic", "req/s", "both", pages=True), "rate", ALL, service=("job",)),
        Recipe("t", Signal("error_ratio", "errors", "ratio", pages=True), "ratio", FAILED, ALL, service=("job",)),
        Recipe(
            "t", Signal("latency_mean", "latency", "s", pages=True), "mean", Selector("secs"), ALL, service=("job",)
        ),
    ),
)
OK, BAD, SECS = (
    series("hits", job="cart", code="200"),
    series("hits", job="cart", code="500"),
    series("secs", job="cart"),
)
Counters = dict[tuple[tuple[str, str], ...], np.ndarray]
Rows = list[tuple[tuple[tuple[str, str], ...], int, float]]


def counters() -> Counters:
    rng = np.random.default_rng(1)
    grown = {OK: rng.poisson(300, N), BAD: rng.poisson(6, N), SECS: rng.normal(60, 3, N)}
    return {key: 1e4 * rng.uniform(1, 9) + np.cumsum(each) for key, each in grown.items()}


def rows_of(found: Counters) -> Rows:
    return [(key, T0 + SCRAPE_MS * k, float(found[key][k])) for k in range(N) for key in found]


def paged(rows: Rows) -> list[Anomaly]:
    """Pages that pushing these samples in this order leads to, an hour or more after the first of them."""
    wall = Wall(T0)

    def offer(some: Rows) -> Callable[[], object]:
        def act() -> None:
            wall.now_s = max(wall.now_s, max(time for _, time, _ in some) / 1000)
            source.offer(samples(*some))

        return act

    for start in range(0, len(rows), CHUNK):
        wall.script += [offer(rows[start : start + CHUNK]), None]
    source = source_at(wall, PACK)
    batches = read(source)
    detection = Detection(source.table, 60.0)
    found = [one for batch in batches for block in batch.blocks for one in detection.feed(block) if one.pages]
    assert detection.last_ms > T0 + SCRAPE_MS * (N - 120)
    return found


def reset(found: Counters) -> Rows:
    for values in found.values():
        values[AT:] -= values[AT]
    return rows_of(found)


def restarts(found: Counters) -> Rows:
    """Five restarts within 20 minutes, each with a scrape lost."""
    for values in found.values():
        for k in range(AT, AT + 40, 8):
            values[k:] -= values[k]
    gone = {T0 + SCRAPE_MS * (k - 1) for k in range(AT, AT + 40, 8)}
    return [row for row in rows_of(found) if row[1] not in gone]


def repeats(found: Counters) -> Rows:
    """From then on each sample comes twice, the second time with another value."""
    return [
        row
        for key, time, value in rows_of(found)
        for row in ([(key, time, value)] + [(key, time, value / 2)] * (time >= T0 + SCRAPE_MS * AT))
    ]


def disorder(found: Counters) -> Rows:
    """An hour in which samples of a request come in any order."""
    rows, begin, rng = rows_of(found), AT * 3, np.random.default_rng(2)
    begin -= begin % CHUNK
    for start in range(begin, begin + 6 * CHUNK, CHUNK):
        rows[start : start + CHUNK] = [rows[start + int(k)] for k in rng.permutation(CHUNK)]
    return rows


def old_samples(found: Counters) -> Rows:
    """Samples of ten minutes ago come again."""
    rows, at = rows_of(found), AT * 3
    return [*rows[:at], *rows[at - 60 : at - 30], *rows[at:]]


def corrections(found: Counters) -> Rows:
    """Counters that fall a little now and then, as those that are computed from gauges do."""
    for values in found.values():
        for k in range(AT, AT + 200, 20):
            values[k:] -= 0.0001 * values[k]
    return rows_of(found)


def like_a_gauge(found: Counters) -> Rows:
    """A counter that goes up and down all the time, which is no counter."""
    return rows_of(found | {BAD: 500.0 + 20.0 * np.random.default_rng(3).standard_normal(N)})


@pytest.mark.parametrize("happens", [reset, restarts, repeats, disorder, old_samples, corrections, like_a_gauge])
def test_what_happens_to_counters_pages_nobody(happens: Callable[[Counters], Rows]) -> None:
    assert paged(happens(counters())) == []


def test_what_happens_to_the_service_does() -> None:
    found = counters()
    found[BAD][AT:] += np.cumsum(np.full(N - AT, 100.0))
    assert {one.series.signal for one in paged(rows_of(found))} == {"error_ratio"}
