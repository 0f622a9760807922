"""Settings of who is told: one structure for each kind of receiver, and `Receiver`, any of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from aiops.config.only import Name, Only, Seconds, Told, Url
from aiops.config.slack import SlackReceiver
from aiops.config.sources import BasicAuth
from aiops.config.tickets import GithubReceiver, GrafanaReceiver, JiraReceiver, PagerDutyReceiver


class ConsoleReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="console"):
    """Incidents as text blocks on standard output."""

    name: Name = "console"


class WebhookReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Incidents as JSON, POSTed to an address."""

    url: Annotated[Url, Meta(description="where each notification is POSTed")]
    name: Name = "webhook"
    headers: Annotated[dict[str, str], Meta(description="extra request headers")] = field(default_factory=dict)
    token_file: Annotated[str, Meta(description="file with a bearer token for the receiver")] = ""
    secret_file: Annotated[str, Meta(description="file with a secret that signs the body")] = ""
    template_file: Annotated[str, Meta(description="file with a Jinja template that makes the body")] = ""
    content_type: Annotated[str, Meta(description="of what the template makes")] = "application/json"
    timeout_s: Seconds = 10.0
    only: Told = Only()


class AlertmanagerReceiver(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="alertmanager"
):
    """Incidents as alerts of an Alertmanager, a heartbeat, and its silences."""

    urls: Annotated[list[Url], Meta(min_length=1, description="every replica, without a load balancer")]
    name: Name = "alertmanager"
    incidents: Annotated[bool, Meta(description="send incidents as alerts `AiopsIncident`")] = True
    watchdog: Annotated[bool, Meta(description="send the alert `AiopsWatchdog` while the service is healthy")] = True
    silences: Annotated[bool, Meta(description="tell nobody of what is silenced there")] = True
    labels: Annotated[dict[str, str], Meta(description="further labels of every alert, such as team or cluster")] = (
        field(default_factory=dict)
    )
    headers: Annotated[dict[str, str], Meta(description="extra request headers")] = field(default_factory=dict)
    token_file: Annotated[str, Meta(description="file with a bearer token")] = ""
    basic_auth: Annotated[BasicAuth | None, Meta(description="in place of `token_file`")] = None
    ca_file: Annotated[str, Meta(description="certificate authority for TLS")] = ""
    timeout_s: Seconds = 10.0
    only: Told = Only()


Receiver = (
    ConsoleReceiver
    | WebhookReceiver
    | AlertmanagerReceiver
    | GrafanaReceiver
    | JiraReceiver
    | GithubReceiver
    | PagerDutyReceiver
    | SlackReceiver
)


def receiver_files(one: Receiver) -> dict[str, str]:
    """Files that a receiver's settings name, by their key; empty = none."""
    files = {key: getattr(one, key) for key in one.__struct_fields__ if key.endswith("_file")}
    auth = getattr(one, "basic_auth", None)
    return files | ({"basic_auth.password_file": auth.password_file} if auth else {})
