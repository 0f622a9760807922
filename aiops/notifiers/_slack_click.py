"""A press of a button in Slack, as its `block_actions` payload tells it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from aiops.errors import InputError
from aiops.notifiers._slack_buttons import PREFIX

LONGEST = 200
"""Of names and ids that are kept: chosen, several times what Slack uses."""


@dataclass(frozen=True, slots=True)
class Click:
    """Who pressed what, where.

    `id` is the same however often Slack delivers it. `value` is what we put into the button: the incident, and for the
    second click of a silence also the proposal.
    """

    id: str
    action: str
    value: str
    user: str
    user_name: str
    channel: str
    message_ts: str
    thread_ts: str
    received_ms: int

    @property
    def incident_id(self) -> str:
        """The incident it is about."""
        return self.value.partition(" ")[0]

    @property
    def proposal(self) -> str:
        """The proposal it confirms or withdraws; "" = none."""
        return self.value.partition(" ")[2]


class _User(msgspec.Struct):
    id: str
    username: str = ""
    name: str = ""


class _Action(msgspec.Struct):
    action_id: str
    value: str = ""
    action_ts: str = ""


class _Container(msgspec.Struct):
    channel_id: str = ""
    message_ts: str = ""
    thread_ts: str = ""


class _Payload(msgspec.Struct):
    type: str
    user: _User | None = None
    actions: list[_Action] = msgspec.field(default_factory=list)
    container: _Container = msgspec.field(default_factory=_Container)


def read_click(payload: object, now_ms: int) -> Click | None:
    """The press of one of our buttons; None if it is about anything else.

    Parameters
    ----------
    payload : as read from JSON
    now_ms : when it was received, unix ms

    Raises
    ------
    InputError : it is no payload of Slack's
    """
    try:
        got = msgspec.convert(payload, _Payload)
    except msgspec.ValidationError as error:
        raise InputError(f"payload: {error}") from error
    if got.type != "block_actions" or not got.actions or not got.actions[0].action_id.startswith(PREFIX):
        return None
    if got.user is None:
        raise InputError("payload: user is missing")
    action, place = got.actions[0], got.container
    said = (got.user.id, place.channel_id, place.message_ts, action.action_id, action.action_ts, action.value)
    return Click(
        id=hashlib.blake2b("\x1f".join(said).encode(), digest_size=8).hexdigest(),
        action=action.action_id.removeprefix(PREFIX)[:LONGEST],
        value=action.value[:LONGEST],
        user=got.user.id[:LONGEST],
        user_name=(got.user.username or got.user.name or got.user.id)[:LONGEST],
        channel=place.channel_id[:LONGEST],
        message_ts=place.message_ts[:LONGEST],
        thread_ts=place.thread_ts[:LONGEST],
        received_ms=now_ms,
    )
