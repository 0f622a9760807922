"""What metrics and health say of the budget of series."""

import numpy as np

from aiops._cost import FULL, LIGHT
from aiops.detection.rules import DetectionRules
from aiops.model import Block, SeriesKey, Signal
from aiops.series import SeriesTable
from tests.runners._reported import STEP_S, T0, Reported, Told

SIGNAL = Signal("latency_p95", "latency", "s")


def filled(table: SeriesTable, count: int) -> None:
    for i in range(count):
        table.add(SeriesKey("latency_p95", f"s{i}"), SIGNAL)


def test_series_of_both_banks_and_what_they_take_are_there_from_the_start_and_follow():
    told = Reported(Told("push"))
    assert [told.metric("bank_series", source="push", bank=bank) for bank in ("full", "light")] == [0, 0]
    assert told.metric("detector_memory_bytes", source="push") == 0
    shard = told.shard
    shard.rules = DetectionRules(max_full_series=2)
    shard.forget()
    filled(shard.source.table, 5)
    shard.detection.feed(Block(np.array([T0]), np.arange(5, dtype=np.int32), np.ones((1, 5))))
    told.reporter.report()
    assert [told.metric("bank_series", source="push", bank=bank) for bank in ("full", "light")] == [2, 3]
    assert told.metric("detector_memory_bytes", source="push") == 2 * FULL.memory_bytes + 3 * LIGHT.memory_bytes


def test_refused_series_are_counted_once_and_a_warning_names_the_limit_and_what_to_change():
    told = Reported(Told("push", table=SeriesTable(3, "limits.max_memory_mb = 1"), step_s=STEP_S))
    told.reporter.report()
    assert told.metric("series_refused_total", source="push") == 0
    assert told.health.warnings() == []
    filled(told.shard.source.table, 5)
    told.reporter.report()
    told.reporter.report()
    assert told.metric("series_refused_total", source="push") == 2
    (warning,) = told.health.warnings()
    assert "limits.max_memory_mb = 1 is reached: 3 series are watched and new ones were refused 2 times" in warning
    assert "raise it, or watch less by prometheus.packs or push.packs" in warning
