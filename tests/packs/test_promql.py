from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.model import Signal
from aiops.packs import EdgeRule, Matcher, Recipe, Selector
from aiops.packs.promql import count_query, edges_query, query

SIGNAL = Signal("s", "errors", min_traffic=0.5)
RATE = Recipe("p", SIGNAL, "rate", Selector("m_total", (Matcher("code", "=~", "5.."),)), service=("job",))
NAMED = ', "aiops_service", "$1", "job", ";*(?:[^;]*/)?([^;/]*)(?:;(?s:.*))?")'


def named(inner: str, outer: str = "sum by (aiops_service)") -> str:
    return f"{outer} (label_replace({inner}{NAMED})"


def test_a_rate_is_summed_per_service_and_scaled():
    assert query(RATE, 60) == named('sum by (job) (rate(m_total{code=~"5.."}[60s]))')
    assert query(replace(RATE, scale=0.001), 60).endswith(") * 0.001")


def test_an_average_is_taken_over_raw_series_only():
    gauge = replace(RATE, form="gauge", of=Selector("m"), agg="avg", by=("disk",))
    assert query(gauge, 60) == named("m", "avg by (aiops_service, disk)")
    assert query(replace(gauge, agg="max"), 60) == named("max by (job, disk) (m)", "max by (aiops_service, disk)")


def test_a_ratio_is_zero_without_errors_and_absent_below_the_least_traffic():
    ratio = replace(RATE, form="ratio", of=Selector("bad"), to=Selector("all"))
    bad, every = named("sum by (job) (rate(bad[60s]))"), named("sum by (job) (rate(all[60s]))")
    assert query(ratio, 60) == f"({bad} / ({every} >= 0.5) or ({every} >= 0.5) * 0)"
    quiet = replace(ratio, signal=Signal("s", "errors"))
    assert query(quiet, 60) == f"({bad} / ({every} > 0) or ({every} > 0) * 0)"


def test_a_share_of_a_level_has_no_least_traffic():
    share = replace(RATE, form="level_ratio", of=Selector("used"), to=Selector("size"))
    assert query(share, 60) == f"({named('sum by (job) (used)')} / ({named('sum by (job) (size)')} > 0))"


def test_a_quantile_is_guarded_by_its_own_observations():
    text = query(replace(RATE, form="quantile", of=Selector("m_bucket"), q=0.5), 30)
    buckets = named("sum by (job, le) (rate(m_bucket[30s]))", "sum by (aiops_service, le)")
    everything = named('sum by (job) (rate(m_bucket{le="+Inf"}[30s]))')
    assert text == f"(histogram_quantile(0.5, {buckets}) and ({everything} >= 0.5))"


def test_several_labels_are_joined_before_the_first_one_is_taken():
    text = query(replace(RATE, service=("service_name", "job"), peer=("server",)), 60)
    assert text.startswith(
        "sum by (aiops_service, aiops_peer) (label_replace(label_replace(label_join(sum by (service_name, job, server)"
    )
    assert '), "aiops_service", ";", "service_name", "job"), "aiops_service", "$1", "aiops_service", ' in text
    assert ', "aiops_peer", "$1", "server", ' in text


@pytest.mark.parametrize(("window_s", "text"), [(60, "[60s]"), (1.5, "[1500ms]"), (0.001, "[1ms]"), (90.0, "[90s]")])
def test_a_window_is_written_without_fractions(window_s: float, text: str):
    assert text in query(RATE, window_s)


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"window_s must be at least 0.001"):
        query(RATE, 0.0001)


def test_a_form_that_divides_refuses_to_do_without_a_denominator():
    with pytest.raises(ValueError, match="mean of s needs a denominator"):
        query(replace(RATE, form="mean"), 60)


def test_a_count_is_per_service():
    assert count_query(RATE, 60) == f"count by (aiops_service) ({query(RATE, 60)})"


def test_a_value_cannot_end_its_string():
    text = query(replace(RATE, of=Selector("m", (Matcher("a", "=", 'x"} or up{b="\\\n\ufffd'),))), 60)
    assert r'm{a="x\"} or up{b=\"\\\U0000000a\U0000fffd"}[60s]' in text


def test_edges_are_calls_that_still_happen():
    text = edges_query(EdgeRule("p", Selector("calls_total"), ("client",), ("server",)), 300)
    assert text.startswith("group by (aiops_service, aiops_peer) (label_replace(label_replace(")
    assert "group by (client, server) (rate(calls_total[300s]) > 0)" in text
