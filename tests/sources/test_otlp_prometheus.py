"""Names, labels and samples against what Prometheus itself makes of the same bodies (see `origin` in the file)."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from aiops.sources._otlp_names import PROMOTED
from tests.sources._otlp_world import PROTOBUF, Sink

RECORDED = json.loads((Path(__file__).parent / "recorded" / "otlp_prometheus.json").read_text(encoding="utf-8"))
STALE_HEX = "7ff0000000000002"


def number(text: str) -> float | str:
    value = float(np.array(int(text, 16), np.uint64).view(np.float64))
    return "stale" if text == STALE_HEX else "nan" if np.isnan(value) else value


@pytest.mark.parametrize("case", RECORDED["cases"], ids=["names and units", "attributes", "histograms and summaries"])
def test_a_body_becomes_the_samples_that_prometheus_makes_of_it(case) -> None:
    sink = Sink()
    sink.take(base64.b64decode(case["body"]), PROTOBUF)
    wanted = {(tuple(sorted(labels.items())), time): number(value) for labels, time, value in case["samples"]}
    assert len(wanted) > 10
    assert sink.samples() == wanted


def test_the_recording_was_made_with_the_attributes_that_are_promoted_now() -> None:
    assert RECORDED["promoted"] == list(PROMOTED)
