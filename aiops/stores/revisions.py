"""Which revisions of the tables there are: their names without the libraries that change them."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Oldest first; each is a file in `migrations/versions`."""
HEAD = REVISIONS[-1]
"""What this program needs."""


def is_known(revision: str) -> bool:
    """Whether this program can bring tables of that revision up to date."""
    return revision in REVISIONS
