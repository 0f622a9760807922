"""Headers of remote_write: which message a request is, or that nobody reads it here; what the answer says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from aiops.errors import UnsupportedMedia

Version = Literal[1, 2]

V1_MESSAGE, V2_MESSAGE = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"

_VERSIONS: dict[str, Version] = {V1_MESSAGE: 1, V2_MESSAGE: 2}


@dataclass(frozen=True, slots=True)
class Written:
    """How much of a request was read, to be told to senders of version 2.

    Parameters
    ----------
    version : of the request
    samples, histograms : all that it held, or those that were understood
    """

    version: Version
    samples: int
    histograms: int = 0

    def headers(self) -> dict[str, str]:
        """Headers of the answer. A sender of version 2 takes us for one of version 1 without them.

        One of version 1 reports samples as lost when it sees them (Prometheus before 3.8.1).
        """
        if self.version == 1:
            return {}
        counts = {"samples": self.samples, "histograms": self.histograms, "exemplars": 0}
        return {f"x-prometheus-remote-write-{what}-written": str(count) for what, count in counts.items()}


def version_of(headers: Mapping[str, str]) -> Version:
    """The version of remote_write, in block snappy; headers that are missing mean 1.0, as in Prometheus itself.

    Parameters
    ----------
    headers : names in any case

    Raises
    ------
    UnsupportedMedia : another message, content type or compression (415)
    """
    named = {name.lower(): value for name, value in headers.items()}
    return _version(
        named.get("content-encoding", "snappy"),
        named.get("content-type", ""),
        named.get("x-prometheus-remote-write-version", ""),
    )


@lru_cache(maxsize=16)  # a sender's are always the same
def _version(encoding: str, content_type: str, version: str) -> Version:
    encoding = encoding.strip().lower()
    if encoding != "snappy":
        raise UnsupportedMedia(f"Content-Encoding must be snappy, got {encoding[:80]!r}")
    if not content_type:
        # The content type decides; only without one is the version header asked.
        return 2 if version.strip().startswith("2") else 1
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() != "application/x-protobuf":
        raise UnsupportedMedia(f"Content-Type must be application/x-protobuf, got {media[:80]!r}")
    message = _proto_parameter(parameters)
    if message not in _VERSIONS:
        raise UnsupportedMedia(f"proto must be {V1_MESSAGE} or {V2_MESSAGE}, got {message[:80]!r}")
    return _VERSIONS[message]


def _proto_parameter(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto":
            return value.strip().strip('"')
    return V1_MESSAGE
