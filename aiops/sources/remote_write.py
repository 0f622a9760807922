"""Prometheus remote_write 1.0: a request body in, checked samples out.

`decode` either returns all of a body or raises and returns nothing. What it raises is permanent, so that the sender
does not try again: `UnsupportedMedia` is HTTP 415, `TooLarge` 413, any other `InputError` 400. Overload (503) is not
decided here but where the samples go.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import cramjam
import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, TooLarge, UnsupportedMedia
from aiops.sources import _wire_scan as wire
from aiops.sources._pushed_samples import Samples, WriteLimits, fields, labels_of

STALE_BITS = np.uint64(0x7FF0000000000002)
"""The one NaN that means "this series ended" (prometheus/model/value)."""

_FRAMED_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_V1_MESSAGE = "prometheus.WriteRequest"
_LABEL_TAG = 10


def decode(
    body: bytes,
    headers: Mapping[str, str],
    limits: WriteLimits = WriteLimits(),  # noqa: B008 - frozen, so it cannot be changed by a call
    known: Container[bytes] = frozenset(),
) -> Samples:
    """Decode a request.

    Parameters
    ----------
    body : the bytes as sent
    headers : names in any case
    limits : beyond them the body is refused
    known : keys of label sets that have been checked before and are not looked into again

    Returns
    -------
    Samples; stale markers have value NaN and `stale`, other NaN stay NaN, infinities become NaN and are counted

    Raises
    ------
    UnsupportedMedia : not remote_write 1.0, or not snappy (415)
    TooLarge : over a limit (413)
    InputError : anything else that sending it again will not heal (400)
    """
    check_headers(headers)
    raw = _decompress(body, limits)
    spans, series, times, bits, skipped = _scan(raw, limits)
    keys = _keys(raw, spans)
    for key in keys:
        if key not in known:
            labels_of(key, limits)
    values = bits.view(np.float64)
    infinite = np.isinf(values)
    skipped["infinite"] = int(np.count_nonzero(infinite))
    stale = bits == STALE_BITS
    # One plain NaN for all: arithmetic on the stale marker, a signalling NaN, could raise a floating point flag.
    values[stale | infinite] = np.nan
    return Samples(keys, series, times, values, stale, skipped)


def check_headers(headers: Mapping[str, str]) -> None:
    """Pass what is remote_write 1.0 in block snappy; headers that are missing mean that, as in Prometheus itself.

    Raises
    ------
    UnsupportedMedia : remote_write 2.0, another content type or another compression (415)
    """
    named = {name.lower(): value for name, value in headers.items()}
    encoding = named.get("content-encoding", "snappy").strip().lower()
    if encoding != "snappy":
        raise UnsupportedMedia(f"Content-Encoding must be snappy, got {encoding[:80]!r}")
    content_type = named.get("content-type", "")
    if not content_type:
        # The content type decides; only without one is the version header asked.
        version = named.get("x-prometheus-remote-write-version", "0.1.0")
        if version.strip().startswith("2"):
            raise UnsupportedMedia("remote_write 2.0 is not supported, send prometheus.WriteRequest (1.0)")
        return
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() != "application/x-protobuf":
        raise UnsupportedMedia(f"Content-Type must be application/x-protobuf, got {media[:80]!r}")
    message = _proto_parameter(parameters)
    if message != _V1_MESSAGE:
        raise UnsupportedMedia(f"only {_V1_MESSAGE} (remote_write 1.0) is supported, got proto={message[:80]!r}")


def _proto_parameter(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto":
            return value.strip().strip('"')
    return _V1_MESSAGE


def _decompress(body: bytes, limits: WriteLimits) -> bytes:
    if len(body) > limits.body_bytes:
        raise TooLarge(f"the body has {len(body)} bytes, the limit is {limits.body_bytes}")
    if body.startswith(_FRAMED_MAGIC):
        raise InputError("the body is framed snappy, remote_write wants the snappy block format")
    size = _preamble(body)
    if size > limits.decompressed_bytes:
        raise TooLarge(f"the body decompresses to {size} bytes, the limit is {limits.decompressed_bytes}")
    if not size:
        return b""
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError:
        raise InputError("the body is not snappy (block format)") from None


def _preamble(body: bytes) -> int:
    """The decompressed size that a snappy block states, at most 2^32 - 1."""
    value = 0
    for i, byte in enumerate(body[:5]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            if value > 0xFFFFFFFF:
                break
            return value
    raise InputError("the body is not snappy (block format): it states no size")


_Scanned = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint64], dict[str, int]]


def _scan(raw: bytes, limits: WriteLimits) -> _Scanned:
    # The shortest series and the shortest sample take two bytes, so no body can fill more places than this.
    most_series = min(limits.series_per_body, len(raw) // 2)
    most_samples = min(limits.samples_per_body, len(raw) // 2)
    spans = np.empty((most_series, 4), np.int64)
    series = np.empty(most_samples, np.int32)
    times = np.empty(most_samples, np.int64)
    bits = np.empty(most_samples, np.uint64)
    tally = np.zeros(6, np.int64)
    fault = wire.scan(np.frombuffer(raw, np.uint8), spans, series, times, bits, tally)
    if fault == wire.TOO_MANY_SERIES:
        raise TooLarge(f"the body has more than {limits.series_per_body} series")
    if fault == wire.TOO_MANY_SAMPLES:
        raise TooLarge(f"the body has more than {limits.samples_per_body} samples")
    if fault != wire.OK:
        raise InputError(f"the body is no WriteRequest: {wire.MESSAGES[fault]}, at byte {tally[wire.FAULT_AT]}")
    n, k = tally[wire.N_SERIES], tally[wire.N_SAMPLES]
    skipped = {
        "exemplars": int(tally[wire.N_EXEMPLARS]),
        "histograms": int(tally[wire.N_HISTOGRAMS]),
        "metadata": int(tally[wire.N_METADATA]),
    }
    # Copies, so that a small body does not hold on to the large outputs.
    return spans[:n], series[:k].copy(), times[:k].copy(), bits[:k].copy(), skipped


def _keys(raw: bytes, spans: NDArray[np.int64]) -> list[bytes]:
    starts = spans[:, wire.LABELS_START].tolist()
    ends = spans[:, wire.LABELS_END].tolist()
    keys = [raw[a:b] for a, b in zip(starts, ends, strict=True)]
    for i in np.flatnonzero(spans[:, wire.LABELS_END] < 0):
        start, end = int(spans[i, wire.SERIES_START]), int(spans[i, wire.SERIES_END])
        keys[i] = b"".join(raw[a:b] for tag, a, _, b in fields(raw, start, end) if tag == _LABEL_TAG)
    return keys


__all__ = ["STALE_BITS", "Samples", "WriteLimits", "check_headers", "decode"]
