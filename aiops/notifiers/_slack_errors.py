"""What Slack's answers mean: try again, never again, or do something else."""

from __future__ import annotations

from collections.abc import Mapping

from aiops.errors import DeliveryError, Reject, Retry, Unsure
from aiops.notifiers._rest import retry_after_s

_LATER_STATUSES = frozenset({408, 425, 429})
_LATER = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"}) | {
    *("request_timeout", "team_added_to_org", "accesslimited", "external_channel_migrating", "message_limit_exceeded")
}
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_TOKEN = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"}) | {
    *("not_allowed_token_type", "org_login_required", "two_factor_setup_required", "access_denied"),
    "team_access_not_granted",
}
_BLOCKS = {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "too_many_attachments"}
_ADVICE = {
    "missing_scope": "the app lacks a scope; compare its scopes with deploy/slack/manifest.yaml and reinstall it",
    "no_permission": "the app may not do this; compare its scopes with deploy/slack/manifest.yaml and reinstall it",
    "channel_not_found": "there is no such channel for this app: use the channel's id, and invite the app into it",
    "not_in_channel": "the app is not in the channel: invite it with /invite",
    "is_archived": "the channel is archived: unarchive it or set another one",
    "restricted_action": "the workspace does not let the app post there: an administrator can",
    "restricted_action_read_only_channel": "the channel is read-only for the app",
    "messages_tab_disabled": "this is the app's own direct message, which is switched off: use a channel",
}


class TokenRefused(Reject):
    """The token is revoked, expired or of the wrong kind: nothing will work before somebody puts in a new one."""


class Gone(Reject):
    """The message is not there any more."""


class Malformed(Reject):
    """Slack does not like the blocks; the plain text may still do."""


def judged(status: int, error: str, headers: Mapping[str, str], method: str) -> DeliveryError:
    """What an answer that is not `ok` means.

    Parameters
    ----------
    status : of HTTP
    error : Slack's word for it, "" if there was none
    headers : of the answer, any case
    method : what was asked for, for people

    Examples
    --------
    >>> judged(200, "is_archived", {}, "chat.postMessage")
    Reject('chat.postMessage: is_archived: the channel is archived: unarchive it or set another one')
    >>> judged(429, "", {"Retry-After": "30"}, "chat.update").after_s
    30.0
    """
    # A proxy's error page comes as the "error" of an answer that is no JSON: of that only the status is told.
    word = error if error.replace("_", "").isalnum() and len(error) < 60 else ""
    said = f"{method}: {word or f'HTTP {status}'}"
    asked_s = next((retry_after_s(value) for name, value in headers.items() if name.lower() == "retry-after"), 0.0)
    if status >= 500:
        # A gateway's 5xx says nothing about what is behind it.
        return Unsure(said, asked_s)
    if status in _LATER_STATUSES or word in _LATER:
        return Retry(said, asked_s, is_limit=status == 429 or word in _LIMITED)
    if word in _TOKEN:
        return TokenRefused(f"{said}: put a bot token that works into token_file and start again")
    if word in ("message_not_found", "thread_not_found"):
        return Gone(said)
    if word in _BLOCKS:
        return Malformed(said)
    if 300 <= status < 400:
        return Reject(f"{said}, redirects are not followed")
    return Reject(f"{said}: {_ADVICE[word]}" if word in _ADVICE else said)
