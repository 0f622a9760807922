"""Answers as OpenTelemetry's exporters read them, checked with the official protobuf classes."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from aiops.errors import InputError, Overloaded, TooLarge, UnsupportedMedia
from aiops.sources._pushed_samples import Taken

PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json; charset=utf-8"}


def post(http: httpx.AsyncClient, path: str, **content: Any) -> httpx.Response:
    return asyncio.run(http.post(path, **content))


def response_of(content: bytes) -> ExportMetricsServiceResponse:
    return ExportMetricsServiceResponse.FromString(content)


def test_a_body_is_handed_on_as_it_came(client, backend) -> None:
    body = gzip.compress(b"points")
    answer = post(client(), "/v1/metrics", content=body, headers=PROTOBUF | {"content-encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    ((content, headers),) = backend.otlp
    assert content == body
    assert headers["content-encoding"] == "gzip"


def test_what_was_left_out_is_told_in_the_format_of_the_request(client, backend) -> None:
    backend.taken = Taken(300, "data points left out: no time 300")
    answers = [post(client(), "/v1/metrics", content=b"", headers=headers) for headers in (PROTOBUF, JSON)]
    partial = response_of(answers[0].content).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (300, "data points left out: no time 300")
    assert json.loads(answers[1].content) == {
        "partialSuccess": {"rejectedDataPoints": "300", "errorMessage": "data points left out: no time 300"}
    }
    assert {answer.status_code for answer in answers} == {200}


def test_a_warning_without_rejected_points_is_told_too(client, backend) -> None:
    backend.taken = Taken(0, "samples dropped: late 3")
    answer = post(client(), "/v1/metrics", content=b"", headers=PROTOBUF)
    partial = response_of(answer.content).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (0, "samples dropped: late 3")


def test_json_is_answered_with_an_empty_object_when_all_was_taken(client) -> None:
    answer = post(client(), "/v1/metrics", content=b"{}", headers=JSON)
    assert (answer.content, answer.headers["content-type"]) == (b"{}", "application/json")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("malformed"), 400),
        (TooLarge("too many"), 413),
        (UnsupportedMedia("only gzip"), 415),
        (Overloaded("behind"), 503),
    ],
)
def test_a_refusal_is_a_status_that_the_sender_acts_rightly_on(client, backend, error, status) -> None:
    backend.fail = error
    answers = [post(client(), "/v1/metrics", content=b"", headers=headers) for headers in (PROTOBUF, JSON)]
    assert {answer.status_code for answer in answers} == {status}
    assert all(("retry-after" in answer.headers) == (status == 503) for answer in answers)
    # google.rpc.Status has its message in field 2
    text = str(error).encode()
    assert answers[0].content == bytes([0x12, len(text)]) + text
    assert json.loads(answers[1].content) == {"message": str(error)}


def test_a_body_over_the_limit_is_refused_before_it_is_read(client, backend) -> None:
    answer = post(client(max_write_bytes=10), "/v1/metrics", content=bytes(11), headers=PROTOBUF)
    assert answer.status_code == 413
    assert not backend.otlp
