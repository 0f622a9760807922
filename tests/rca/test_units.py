"""Numbers as people say them."""

from dataclasses import replace

import pytest

from rca import Change, Evidence, default_ranker
from rca.checks import example_case
from rca.suspects import _reason
from rca.units import amount, duration


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("latency_p95", 1.5, "1.5 s"),
        ('client_latency_mean{route="/x"}', 0.02, "20 ms"),
        ("latency_p95_weighted", 0.02, "0.02"),
        ("http_request_seconds", 0.0004, "0.4 ms"),
        ("wait_us", 250.0, "0.25 ms"),
        ("cpu_seconds", 2.0, "2"),
        ("gc_seconds_total", 2.0, "2"),
        ("memory_used_ratio", 0.955, "95.5%"),
        ("cpu_percent", 80.0, "80%"),
        ("heap_bytes", 5 * 2**30, "5 GiB"),
        ("heap_bytes", 2048, "2 KiB"),
        ("heap_bytes", 12, "12 B"),
        ("read_bytes_per_second", 5e6, "5000000"),
        ("queue_depth", 1200, "1200"),
        ("latency_p95", float("nan"), "unknown"),
        ("{}", 3.0, "3"),
    ],
)
def test_a_unit_is_told_only_where_the_name_tells_it(metric: str, value: float, text: str) -> None:
    assert amount(metric, value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (0.25, "250 ms"), (90, "2 min"), (5400, "1.5 h")])
def test_times_are_said_in_the_unit_people_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("age_s", "when"), [(40, "40 s before it began"), (600, "10 min before it began"), (-10, "when it began")]
)
def test_reasons_say_when_the_change_was_and_carry_units(age_s: int, when: str) -> None:
    case = example_case()
    changes = (Change(case.trigger_ms - 1000 * age_s, "db", "deploy", "db 4.2"),)
    first = default_ranker().rank(replace(case, changes=changes)).suspects[0]
    assert first.reason.startswith(f"deploy {when} (db 4.2); ")
    assert " ms to " in first.reason or any(" ms to " in e.text for e in first.evidence)


def test_what_only_speaks_against_a_suspect_is_no_reason_for_it() -> None:
    against, change = Evidence("explained by others", -0.4, "others explain it"), Evidence("change", 0.5, "a deploy")
    assert (_reason((against,)), _reason((against, change)), _reason(())) == ("", "a deploy.", "")
