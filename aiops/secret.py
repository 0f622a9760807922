"""A text that must not be shown."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """A password or token that prints as `<secret>`; only `reveal` gives it away.

    >>> token = Secret("s3cr3t")
    >>> f"{token} {[token]!r}", token == Secret("s3cr3t"), token.reveal()
    ('<secret> [<secret>]', True, 's3cr3t')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written into files or sent to other processes")
