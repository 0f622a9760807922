"""The buttons below a message: what each is called, and which make sense when."""

from __future__ import annotations

from collections.abc import Sequence

from aiops.model import Incident
from aiops.notifiers._slack_message import Json, button
from aiops.notifiers._slack_thread import Thread

ACKNOWLEDGE, SILENCE, TICKET = "acknowledge", "silence", "ticket"
VERDICTS = ("real", "noise", "expected")
CONFIRM, CANCEL = "silence-confirm", "silence-cancel"
PREFIX = "aiops:"
"""Of every action id of ours: other apps' blocks in the same workspace have others."""


def buttons_of(incident: Incident, thread: Thread, offered: Sequence[str]) -> list[Json]:
    """Buttons of an incident's message.

    Parameters
    ----------
    offered : `acknowledge`, `verdict`, `silence`, `ticket`, as far as somebody does what they ask for
    """
    made = list[Json]()
    if ACKNOWLEDGE in offered and incident.status != "resolved" and not thread.note("acknowledged"):
        made.append(button(f"{PREFIX}{ACKNOWLEDGE}", "Acknowledge", incident.id, "primary"))
    if "verdict" in offered:
        made += [button(f"{PREFIX}{name}", name.capitalize(), incident.id) for name in VERDICTS]
    if SILENCE in offered and incident.status != "resolved":
        made.append(button(f"{PREFIX}{SILENCE}", "Silence …", incident.id))
    if TICKET in offered and not thread.note("ticket"):
        made.append(button(f"{PREFIX}{TICKET}", "Open ticket", incident.id))
    return made
