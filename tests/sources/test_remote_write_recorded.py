"""What senders that are not ours sent: scrapes of a small shop, its metadata and exemplars, and its end.

1.0 is recorded from a Prometheus 2.42 with `send_exemplars: true` while a target with a counter, a histogram, a NaN and
an infinite gauge was scraped each second and then went away; it sends 1.0 only.

2.0 is made with the packages of Prometheus 3.5 (`prompb/io/prometheus/write/v2`: its table of symbols, its messages and
`OptimizedMarshal`), filled as its queue manager fills them: one sample, exemplar or native histogram a series, metadata
with each. The program is `write_prometheus_v2.go.txt` beside the bodies.
"""

import base64
import json
from pathlib import Path

import cramjam
import numpy as np

from tests.sources._ledger import Read, Reader
from tests.sources._write_messages import RequestV2, WriteRequest, read_v1, read_v2

FOLDER = Path(__file__).parent / "recorded"
RECORDED = json.loads((FOLDER / "write_prometheus.json").read_text())
RECORDED_V2 = json.loads((FOLDER / "write_prometheus_v2.json").read_text())
BODIES, BODIES_V2 = ([base64.b64decode(body) for body in one["bodies"]] for one in (RECORDED, RECORDED_V2))


def test_bodies_of_a_real_prometheus_read_as_the_protobuf_library_reads_them() -> None:
    reader = Reader()
    for body in BODIES:
        request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        assert reader(body, RECORDED["headers"]) == read_v1(request)
    asked = reader.ledger.asked
    for body in BODIES:
        reader(body, RECORDED["headers"])
    assert reader.ledger.asked == asked, "known label sets are not looked into"
    assert next(labels[:3] for labels in reader.ledger.labels if dict(labels).get("route") == "/päy") == (
        ("__name__", "shop_requests_total"),
        ("cluster", "test"),
        ("code", "200"),
    )


def test_a_target_that_goes_away_ends_its_series() -> None:
    reader = Reader()
    found: list[Read] = [reader(body, RECORDED["headers"]) for body in BODIES]
    rows = [row for got in found for row in zip(got.labels, got.stale, strict=True)]
    ended = {dict(labels)["__name__"] for labels, is_over in rows if is_over}
    assert ended >= {"shop_requests_total", "shop_seconds_bucket", "shop_nan", "shop_inf"}
    assert "up" not in ended


def test_exemplars_and_metadata_of_a_real_prometheus_are_counted() -> None:
    reader = Reader()
    skipped = [reader(body, RECORDED["headers"]).skipped for body in BODIES]
    assert sum(one["exemplars"] for one in skipped) > 0
    assert sum(one["metadata"] for one in skipped) > 0


def test_bodies_of_the_encoder_of_prometheus_3_read_as_the_protobuf_library_reads_them() -> None:
    """Exemplars and native histograms have series of their own in 2.0, whose labels have to be known as well."""
    reader = Reader()
    for body in BODIES_V2:
        request = RequestV2.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        assert reader(body, RECORDED_V2["headers"]) == read_v2(request)
    asked = reader.ledger.asked
    found = [reader(body, RECORDED_V2["headers"]) for body in BODIES_V2]
    assert reader.ledger.asked == asked, "known label sets are not looked into"
    assert sum(len(got.rows) for got in found) > 90
    assert {dict(labels).get("route") for got in found for labels in got.labels} >= {"/päy", "/日本"}
    assert {"exemplars", "histograms"} <= {what for got in found for what, count in got.skipped.items() if count}
    assert len({dict(labels)["le"] for got in found for labels in got.labels if "le" in dict(labels)}) == 5


def test_values_of_the_encoder_of_prometheus_3_are_the_bits_it_was_given() -> None:
    reader = Reader()
    found = [reader(body, RECORDED_V2["headers"]) for body in BODIES_V2]
    rows = {(dict(labels)["__name__"], time): bits for got in found for labels, time, bits in got.rows}
    first_ms = 1_760_000_001_000
    assert rows["shop_tiny", first_ms] == 1, "the smallest number there is"
    assert rows["shop_zero", first_ms] == 0
    assert [np.uint64(rows["shop_inf", first_ms + 1000 * n]).view(np.float64) for n in (0, 1)] == [-np.inf, np.inf]
    over = [is_over for got in found[4:5] for is_over in got.stale]
    assert over
    assert all(over), "the fifth ends all series"
    assert found[-1].rows == []
