"""Nouns <-> versioned bytes. Store, topics and replay files share these.

Messages (an unknown version is a `StoreError` that says so): `encode`/`decode` for any noun of plain fields,
`encode_block`/`decode_block`, `encode_case`/`decode_case`, `pack_arrays`/`unpack_arrays`
(`prefixed`/`part_of` put the arrays of several parts into one and take them out again).
Files (a damaged one is an `InputError` naming file and byte): `write_replay`/`read_replay`.
"""

from aiops._wire_bytes import (
    decode,
    decode_block,
    decode_case,
    encode,
    encode_block,
    encode_case,
    pack_arrays,
    part_of,
    prefixed,
    unpack_arrays,
)
from aiops._wire_replay import ReplayBlock, ReplayHead, read_replay, read_replay_head, write_replay

__all__ = [
    "ReplayBlock",
    "ReplayHead",
    "decode",
    "decode_block",
    "decode_case",
    "encode",
    "encode_block",
    "encode_case",
    "pack_arrays",
    "part_of",
    "prefixed",
    "read_replay",
    "read_replay_head",
    "unpack_arrays",
    "write_replay",
]
