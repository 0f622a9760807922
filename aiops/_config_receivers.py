"""Settings of who is told: one structure for each kind of receiver, and `Receiver`, any of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field


class ConsoleReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="console"):
    """Incidents as text blocks on standard output."""

    name: str = "console"


class WebhookReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Incidents as JSON, POSTed to an address."""

    url: Annotated[str, Meta(pattern="^https?://")]
    name: str = "webhook"
    headers: dict[str, str] = field(default_factory=dict)
    token_file: Annotated[str, Meta(description="file with a bearer token for the receiver")] = ""
    timeout_s: Annotated[float, Meta(gt=0)] = 10.0


Receiver = ConsoleReceiver | WebhookReceiver


def receiver_files(one: Receiver) -> dict[str, str]:
    """Files that a receiver's settings name, by their key; empty = none."""
    return {key: getattr(one, key) for key in one.__struct_fields__ if key.endswith("_file")}
