"""What programs read of a command."""

from __future__ import annotations

import sys

import msgspec


def print_json(content: object) -> None:
    """Write plain values to standard output as JSON for eyes too, with a newline."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content)).decode() + "\n")
