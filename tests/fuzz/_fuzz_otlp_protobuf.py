"""OTLP in protobuf: refused, or read so that every sample has its series; nothing half applied."""

from __future__ import annotations

from aiops.errors import InputError
from tests.fuzz._otlp_checked import checked
from tests.sources._otlp_world import DELTA, PROTOBUF, exponential, gauge, histogram, request, total

SEEDS = [
    request(metric, resource={"service.name": "a", "k8s.pod.name": "b"}).SerializeToString()
    for metric in (
        gauge(1.5, route="/x", code=200),
        total(3, temporality=DELTA),
        histogram([1, 2, 3], [0.1, 1.0]),
        exponential([1, 2], 3, -4, zeros=1, below=(1,)),
    )
]


def check(data: bytes) -> None:
    """Read the body."""
    try:
        checked(data, PROTOBUF)
    except InputError:
        return
