"""Forms that only our own pages can have made, for a while.

Without scripts a form is all a page has. A browser sends the password along with any form, also with a stranger's: so
each form carries a seal over where it goes and when it was made, under a key that dies with the process, or that all
workers of a cluster share.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl

from aiops.errors import InputError, NotPermitted

HOLDS_S = 12 * 3600  # chosen: a shift


class Forms:
    """Seals forms and reads those that come back.

    Parameters
    ----------
    clock : unix seconds
    key : of the seals; empty = one of our own
    """

    def __init__(self, clock: Callable[[], float], key: bytes = b"") -> None:
        self._clock = clock
        self._key = key or secrets.token_bytes(32)

    def seal(self, path: str) -> str:
        """What a form that goes to this path must carry in its field `seal`."""
        made_s = int(self._clock())
        return f"{made_s}.{self._digest(path, made_s)}"

    def read(self, path: str, body: bytes) -> dict[str, str]:
        """The fields of a form that was sent to this path.

        Raises
        ------
        InputError : this is no form
        NotPermitted : the seal is missing, wrong or too old
        """
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict"))
        except ValueError as error:
            raise InputError(f"form: {error}") from error
        made, _, digest = fields.pop("seal", "").partition(".")
        made_s = int(made) if made.isascii() and made.isdigit() and len(made) < 12 else 0
        good = hmac.compare_digest(digest.encode(), self._digest(path, made_s).encode())
        if not good or not 0 <= self._clock() - made_s <= HOLDS_S:
            raise NotPermitted("this form is too old or was not made here: load its page again")
        return fields

    def _digest(self, path: str, made_s: int) -> str:
        return hmac.new(self._key, f"{path} {made_s}".encode(), hashlib.sha256).hexdigest()
