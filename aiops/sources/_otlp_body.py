"""What an OTLP request says about its body, and the body without compression."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Literal

from aiops.errors import InputError, TooLarge, UnsupportedMedia
from aiops.sources._pushed_samples import WriteLimits

Format = Literal["protobuf", "json"]

_FORMATS: dict[str, Format] = {"application/x-protobuf": "protobuf", "application/json": "json"}


def format_of(headers: Mapping[str, str]) -> Format:
    """How the body is written; header names in lower case.

    Raises
    ------
    UnsupportedMedia : neither protobuf nor JSON (415)
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _FORMATS:
        raise UnsupportedMedia(f"Content-Type must be one of {', '.join(_FORMATS)}, got {media[:80]!r}")
    return _FORMATS[media]


def plain_body(body: bytes, headers: Mapping[str, str], limits: WriteLimits) -> bytes:
    """The body, decompressed if it is gzip.

    Raises
    ------
    UnsupportedMedia : another compression (415)
    TooLarge : over a limit, before more than that was decompressed (413)
    InputError : not gzip, or cut off
    """
    if len(body) > limits.body_bytes:
        raise TooLarge(f"the body has {len(body)} bytes, the limit is {limits.body_bytes}")
    encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise UnsupportedMedia(f"Content-Encoding must be gzip or identity, got {encoding[:80]!r}")
    return _gunzip(body, limits.decompressed_bytes)


def _gunzip(body: bytes, most_bytes: int) -> bytes:
    parts, size = list[bytes](), 0
    while body:
        # 31: a gzip member with its header and checksum; several may follow each other.
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, most_bytes - size + 1)
        except zlib.error as error:
            raise InputError(f"the body is not gzip: {error}") from None
        size += len(part)
        if size > most_bytes:
            raise TooLarge(f"the body decompresses to more than {most_bytes} bytes")
        if not member.eof:
            raise InputError("the body is not gzip: it is cut off")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)
