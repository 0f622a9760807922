"""Every error this project raises on purpose.

AiopsError
├── ConfigError      a setting is wrong; the message names file, key and rule
├── InputError       a file, request or argument is wrong; says where, what was found, what was wanted
│   ├── NotFound     it names something that is not there (HTTP 404)
│   ├── NotPermitted this person may not do that (HTTP 403)
│   ├── TooLarge     it is over a stated limit
│   └── UnsupportedMedia  it is in a format or encoding this endpoint does not read (HTTP 415)
├── SourceError      a source of data failed
│   ├── Unavailable  it may work later (network, 5xx, timeout)
│   └── Refused      it will not work until somebody changes something (4xx, bad query)
├── StoreError       state cannot be read or written; the message says what to do
│   └── StoreBusy    it may work later (another's lock, a lost connection)
├── Overloaded       we are behind; the sender keeps its data and tries again (HTTP 503)
└── DeliveryError    a receiver did not take a notification
    ├── NotYet       it is to be told later; nothing is wrong
    ├── Retry        try again, not before `after_s`
    │   └── Unsure   the same, but it may have been done already
    └── Reject       never try this one again
"""

from __future__ import annotations


class AiopsError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(AiopsError):
    """A setting is wrong. The message names file, key and rule."""

    def __init__(self, where: str, key: str, rule: str) -> None:
        self.where, self.key, self.rule = where, key, rule
        super().__init__(f"{where}: {key}: {rule}" if key else f"{where}: {rule}")


class InputError(AiopsError):
    """A file, request or argument is wrong for good: sending it again will not help."""


class NotFound(InputError):
    """The input names something that is not there."""


class NotPermitted(InputError):
    """The person who asks may not do that."""


class TooLarge(InputError):
    """The input is over a stated limit."""


class UnsupportedMedia(InputError):
    """The input is in a format or encoding that is not read here; another one may be."""


class SourceError(AiopsError):
    """A source of data failed."""


class Unavailable(SourceError):
    """The source may work later: network, timeout, 5xx."""


class Refused(SourceError):
    """The source will go on refusing until somebody changes something: 4xx, a bad query."""


class StoreError(AiopsError):
    """State cannot be read or written."""


class StoreBusy(StoreError):
    """The store is locked by another program or out of reach: the same call may work later."""


class Overloaded(AiopsError):
    """We are behind; the sender keeps its data and tries again."""


class DeliveryError(AiopsError):
    """A receiver did not take a notification."""


class NotYet(DeliveryError):
    """The receiver is to be told at `at_ms` (unix ms) and not before: it gathers, or others had their turn."""

    def __init__(self, reason: str, at_ms: int) -> None:
        self.reason, self.at_ms = reason, at_ms
        super().__init__(reason)


class Retry(DeliveryError):
    """The receiver may take it later.

    Parameters
    ----------
    reason : what the receiver said, without secrets
    after_s : seconds the receiver asked us to wait; 0 = our own back-off decides
    is_limit : nothing is wrong with it, there was just too much of it (429)
    """

    def __init__(self, reason: str, after_s: float = 0.0, *, is_limit: bool = False) -> None:
        self.reason, self.after_s, self.is_limit = reason, after_s, is_limit
        super().__init__(reason)


class Unsure(Retry):
    """The receiver gave no clear answer: it may have done what was asked, or may still do it."""


class Reject(DeliveryError):
    """The receiver will never take this one."""
