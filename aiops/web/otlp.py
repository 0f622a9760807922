"""Answers in the words of OTLP: in the format of the request, a Status where it was refused.

Messages (opentelemetry-proto, google.rpc): ExportMetricsServiceResponse{1 partial_success},
ExportMetricsPartialSuccess{1 rejected_data_points, 2 error_message}, Status{2 message}.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aiops.sources._pushed_samples import Taken, varint

OTLP_PATH = "/v1/metrics"
"""The path that OpenTelemetry's exporters append to an address of their own accord."""

_JSON, _PROTOBUF = "application/json", "application/x-protobuf"


def otlp_is_json(request: Request) -> bool:
    """Tell whether the sender speaks JSON; protobuf is what most speak."""
    return request.headers.get("content-type", "").lower().startswith(_JSON)


def otlp_success(taken: Taken, *, is_json: bool) -> Response:
    """200, with what was left out; a partial success is not to be sent again."""
    if is_json:
        partial = {"rejectedDataPoints": str(taken.rejected), "errorMessage": taken.message}
        return Response(msgspec.json.encode({"partialSuccess": partial} if taken.message else {}), media_type=_JSON)
    rejected = b"\x08" + varint(taken.rejected) if taken.rejected else b""
    content = _text(b"\x12", taken.message)
    return Response(_field(b"\x0a", rejected + content) if taken.message else b"", media_type=_PROTOBUF)


def otlp_failure(status: int, message: str, headers: dict[str, str] | None, *, is_json: bool) -> Response:
    """Why a request was refused. The HTTP status alone decides whether it is sent again."""
    if is_json:
        return Response(msgspec.json.encode({"message": message}), status, headers, _JSON)
    return Response(_text(b"\x12", message), status, headers, _PROTOBUF)


def _text(tag: bytes, text: str) -> bytes:
    return _field(tag, text.encode()) if text else b""


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content
