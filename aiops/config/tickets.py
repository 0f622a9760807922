"""Settings of receivers that keep something of each incident: annotations, tickets, pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from aiops.config.only import Name, Only, Seconds, Told, Url

OnResolve = Annotated[Literal["close", "comment"], Meta(description="close the ticket, or only say that it is over")]
EveryIncident = Annotated[bool, Meta(description="a ticket for every incident; false = when somebody asks for it")]


class GrafanaReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="grafana"):
    """Incidents and their anomalies as annotations of a Grafana organisation."""

    url: Annotated[Url, Meta(description="base address, without /api")]
    name: Name = "grafana"
    token_file: Annotated[str, Meta(description="file with the token of a service account that may edit annotations")]
    tags: Annotated[list[str], Meta(description="further tags of every annotation")] = field(default_factory=list)
    keep_days: Annotated[float, Meta(ge=0, description="older annotations of ours are removed; 0 = never")] = 90.0
    ca_file: Annotated[str, Meta(description="certificate authority for TLS")] = ""
    timeout_s: Seconds = 10.0
    only: Told = Only()


class JiraReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="jira"):
    """A Jira issue for each incident."""

    url: Annotated[Url, Meta(description="base address, without /rest")]
    name: Name = "jira"
    flavour: Annotated[Literal["cloud", "data center"], Meta(description="whose REST API it has")] = "cloud"
    email: Annotated[str, Meta(description="whose API token it is; Cloud only")] = ""
    token_file: Annotated[str, Meta(description="file with the API token (Cloud) or personal access token")]
    project: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*$", description="key of the project")]
    issue_type: Annotated[str, Meta(min_length=1, description="name of the issue type")] = "Task"
    labels: Annotated[list[str], Meta(description="further labels, without spaces")] = field(default_factory=list)
    priority: Annotated[
        dict[Literal["critical", "warning"], str], Meta(description="name of the priority by severity; none = Jira's")
    ] = field(default_factory=dict)
    fields: Annotated[dict[str, Any], Meta(description="further fields of new issues, as the REST API takes them")] = (
        field(default_factory=dict)
    )
    incidents: EveryIncident = True
    on_resolve: OnResolve = "close"
    transition: Annotated[str, Meta(description="transition, or status it leads to, that closes; none = any done")] = ""
    ca_file: Annotated[str, Meta(description="certificate authority for TLS")] = ""
    timeout_s: Seconds = 10.0
    only: Told = Only()


class GithubReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="github"):
    """A GitHub issue for each incident."""

    repository: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")]
    name: Name = "github"
    url: Annotated[Url, Meta(description="of the REST API; GitHub Enterprise: https://HOST/api/v3")] = (
        "https://api.github.com"
    )
    token_file: Annotated[str, Meta(description="file with a token that may write issues")]
    labels: Annotated[list[str], Meta(description="of new issues")] = field(default_factory=lambda: ["aiops"])
    assignees: Annotated[list[str], Meta(description="of new issues")] = field(default_factory=list)
    incidents: EveryIncident = True
    on_resolve: OnResolve = "close"
    timeout_s: Seconds = 10.0
    only: Told = Only()


class PagerDutyReceiver(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="pagerduty"
):
    """A PagerDuty alert for each incident, and change events for the deploys in it."""

    name: Name = "pagerduty"
    routing_key_file: Annotated[str, Meta(description="file with the key of an integration `Events API v2`")]
    url: Annotated[Url, Meta(description="EU: https://events.eu.pagerduty.com")] = "https://events.pagerduty.com"
    changes: Annotated[bool, Meta(description="send deploys and other changes as change events; they never page")] = (
        True
    )
    timeout_s: Seconds = 10.0
    only: Told = Only()
