"""remote_write, 1.0 and 2.0: refused, or read twice alike and as the protobuf library reads it.

The first byte says which version the rest is sent as. A body comes to a reader that has met the seeds of its version,
so that its series are guessed, and comes again, so that they are known.
"""

from __future__ import annotations

import warnings

from google.protobuf.message import DecodeError

from aiops.demo.encode import HEADERS, compress
from aiops.errors import InputError
from aiops.sources._pushed_samples import WriteLimits
from tests.sources._ledger import Read, Reader
from tests.sources._write_messages import HEADERS_V2, RequestV2, WriteRequest, message_v1, message_v2, read_v1, read_v2

_T0 = 1_700_000_000_000
_BODIES = [
    [((("__name__", "up"), ("job", "a")), [(_T0, 1.0), (_T0 + 1, float("nan"))], 1, 1)],
    [((("__name__", "up"), ("job", "a" * 130)), [(5, 2.0)], 0, 0), ((("__name__", "m"),), [(_T0, 3.0)], 0, 0)],
]
_LIMITS = WriteLimits(decompressed_bytes=1 << 16, series_per_body=200, samples_per_body=500, symbols_per_body=200)
SEEDS = [b"\x01" + message_v1(body).SerializeToString() for body in _BODIES]
SEEDS += [b"\x02" + message_v2(body).SerializeToString() for body in _BODIES]


def check(data: bytes) -> None:
    """Read the body."""
    if not data:
        return
    is_v2 = data[0] % 2 == 0
    message, headers = data[1:], HEADERS_V2 if is_v2 else HEADERS
    reader = Reader(_LIMITS)
    for seed in SEEDS * 2:  # the order of series is learnt when they are known
        if (seed[0] == 2) == is_v2:
            reader(compress(seed[1:]), headers)
    met = list(reader.ledger.labels)
    try:
        got = reader(compress(message), headers)
    except InputError:
        assert reader.ledger.labels == met, "half of it was applied"
        return
    assert reader(compress(message), headers) == got
    wanted = _library(message, is_v2=is_v2)
    assert wanted is None or got == wanted, (got, wanted)


def _library(message: bytes, *, is_v2: bool) -> Read | None:
    """What the library reads; None where it looks into parts that we only count, and refuses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_v2(RequestV2.FromString(message)) if is_v2 else read_v1(WriteRequest.FromString(message))
        except DecodeError:
            return None
