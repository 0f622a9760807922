import pytest

from rca.families import meaning, words


@pytest.mark.parametrize(
    ("metric", "family"),
    [
        ("latency_p95", "latency"),
        ("http_request_duration_seconds", "latency"),
        ("response_time_ms", "latency"),
        ("lat", "latency"),
        ("error_ratio", "errors"),
        ("requests_5xx", "errors"),
        ("failed_calls_total", "errors"),
        ("availability_Average", "availability"),
        ("success_rate", "availability"),
        ("requests_rate", "traffic"),
        ("rps", "traffic"),
        ("throughput", "traffic"),
        ("requests_in_flight", "queue"),
        ("cpu_cores", "cpu"),
        ("cpu_throttled_ratio", "throttling"),
        ("memory_used_ratio", "memory"),
        ("jvm_gc_pause_seconds", "memory"),
        ("queue_depth", "queue"),
        ("consumer_lag", "queue"),
        ("connections_used_ratio", "pool"),
        ("restarts", "restarts"),
        ("disk_used_ratio", "disk"),
        ("net_rx", "network"),
        ("log_errors", "log errors"),
        ("log_lines", "logs"),
        ("edge_gap_p50", "gap"),
        ("cert_expiry_days", "expiry"),
        ("quux", "other"),
    ],
)
def test_metrics_are_known_by_generic_words(metric: str, family: str) -> None:
    assert meaning(metric).family == family


def test_labels_are_no_words() -> None:
    assert words('queue_depth{route="/errors"}') == ("queue", "depth")


def test_a_percentile_of_a_call_is_its_latency_and_of_a_service_nothing() -> None:
    assert meaning("edge_out_p50", True).family == "latency"
    assert meaning("foo_p50").family == "other"


def test_sides_statistics_and_owners_are_told_apart() -> None:
    assert (meaning("client_latency_p95").side, meaning("edge_in_p50", True).side) == ("client", "server")
    assert (meaning("latency_Average").statistic, meaning("latency-90").statistic) == ("mean", "p90")
    assert meaning("span_self_p99").is_own
    assert meaning("node_cpu_pct").is_host
    assert (meaning("availability").bad, meaning("net_tx").bad) == ("down", "both")
