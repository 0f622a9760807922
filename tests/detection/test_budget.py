"""The budget of false pages: per series, or of all series together."""

import numpy as np
import pytest

from aiops import config
from aiops.app import detection_rules
from aiops.detection.machine import Detection
from aiops.detection.rules import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.pipeline import Pipeline, Shard
from aiops.series import SeriesTable
from aiops.sources import Batch
from aiops.triage import Triage
from detectors import rarity_threshold
from tests.runners._world import SERIES, Feed, row_ms, shop_values

STEP_MS = 30_000
START_MS = 1_700_000_000_000 // STEP_MS * STEP_MS
LATENCY = Signal("latency_p95", "latency", "s", "up", pages=True)
MEMORY = Signal("memory_bytes", "saturation", "bytes", "up")


def table_of(paging, others=1):
    table = SeriesTable()
    for i in range(others):
        table.add(SeriesKey("memory_bytes", f"s{i}"), MEMORY)
    for i in range(paging):
        table.add(SeriesKey("latency_p95", f"s{i}"), LATENCY)
    return table


def rows_of(table, values=None, first=0):
    values = np.full((5, len(table)), 1.0) if values is None else values
    times = START_MS + STEP_MS * np.arange(first, first + len(values))
    return Block(times, np.arange(len(table), dtype=np.int32), values)


def limit_of(detection):
    """Rarity at which a series pages, read off the score that is shown: 1.0 is the border."""
    scores = detection.border_scores()
    rarity = detection.view.rarity
    return (rarity - np.log10(scores)).tolist()


def fed(paging, **rules):
    detection = Detection(table_of(paging), 30.0, DetectionRules(**rules))
    rng = np.random.default_rng(1)
    # A jump in the last row: its rarity lies in the range that scores are shown in.
    values = 1.0 + 0.1 * rng.standard_normal((3_000, len(detection.table)))
    values[-1] += 5.0
    detection.learn(rows_of(detection.table, values))
    return detection


@pytest.mark.parametrize(
    ("paging", "total", "per_series_and_day"),
    [(1, 0.0, 1 / 30), (1, 7.0, 1 / 30), (100, 7.0, 1 / 100), (100, 0.7, 1 / 1_000), (100, 700.0, 1 / 30)],
)
def test_the_stricter_of_both_budgets_counts_and_evidence_keeps_its_own(paging, total, per_series_and_day):
    limits = limit_of(fed(paging, page_budget_total_per_week=total))
    assert limits[0] == pytest.approx(rarity_threshold(8 / 30))
    assert limits[1:] == pytest.approx([rarity_threshold(per_series_and_day)] * paging)


def test_series_that_join_make_all_of_them_stricter():
    detection = fed(10, page_budget_total_per_week=0.7)
    assert limit_of(detection)[1] == pytest.approx(2.0)
    for i in range(10, 100):
        detection.table.add(SeriesKey("latency_p95", f"s{i}"), LATENCY)
    values = np.full((1, len(detection.table)), 6.0)
    detection.learn(rows_of(detection.table, values, 3_000))
    assert limit_of(detection)[1] == pytest.approx(3.0)


def test_a_deviation_that_one_budget_tells_the_other_keeps_silent():
    table, told = table_of(1), []
    values = 1.0 + 0.1 * np.random.default_rng(1).standard_normal((3_100, 2))
    values[3_050:3_070, 1] += 5.0
    for total in (0.0, 1e-6):
        detection = Detection(table, 30.0, DetectionRules(page_budget_total_per_week=total))
        detection.learn(rows_of(table, values[:3_000]))
        told.append(len(detection.feed(rows_of(table, values[3_000:], 3_000))) > 0)
    assert told == [True, False]


def test_sources_share_the_total():
    rules = DetectionRules(page_budget_total_per_week=0.7)
    feeds = [Feed(shop_values()) for _ in range(3)]
    shards = [Shard(feed, rules) for feed in feeds]
    Pipeline(shards, Triage())
    paging = sum(signal.pages for _, signal in SERIES)
    for shard in (*shards, *shards):
        start = 5 if shard.detection.last_ms > 0 else 0
        ids = np.array([shard.source.table.add(*one) for one in SERIES], np.int32)
        times = np.array([row_ms(row) for row in range(start, start + 5)])
        shard.feed(Batch(int(times[-1]), (Block(times, ids, shard.source.values[start : start + 5]),)))
    assert {shard.detection.paging for shard in shards} == {paging}
    assert {shard.detection.others for shard in shards} == {2 * paging}


def test_the_setting_reaches_detection():
    settings = config.parse("detection: {page_budget_total_per_week: 5}", where="test")
    assert detection_rules(settings).page_budget_total_per_week == 5.0
