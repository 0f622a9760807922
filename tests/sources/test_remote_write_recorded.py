"""What a real Prometheus (2.42) sent: scrapes of a small shop, its metadata and exemplars, and its end.

Recorded from `remote_write` with `send_exemplars: true` while a target with a counter, a histogram, a NaN and an
infinite gauge was scraped each second and then went away. That version sends 1.0 only.
"""

import base64
import json
from pathlib import Path

import cramjam

from tests.sources._ledger import Read, Reader
from tests.sources._write_messages import WriteRequest, read_v1

RECORDED = json.loads((Path(__file__).parent / "recorded" / "write_prometheus.json").read_text())
BODIES = [base64.b64decode(body) for body in RECORDED["bodies"]]


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
