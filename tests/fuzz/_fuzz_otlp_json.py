"""OTLP in JSON: refused, or read as the protobuf it stands for."""

from __future__ import annotations

from google.protobuf import json_format

from aiops.errors import InputError
from tests.fuzz._fuzz_otlp_protobuf import SEEDS as MESSAGES
from tests.fuzz._otlp_checked import checked
from tests.sources._otlp_world import JSON, ExportMetricsServiceRequest

SEEDS = [
    json_format.MessageToJson(ExportMetricsServiceRequest.FromString(message), use_integers_for_enums=True).encode()
    for message in MESSAGES
]


def check(data: bytes) -> None:
    """Read the body."""
    try:
        checked(data, JSON)
    except InputError:
        return
