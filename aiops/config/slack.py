"""Settings of Slack."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from aiops.config.only import Name, Only, Seconds, Told


class SlackRoute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where incidents of some services, teams or one severity go; all that is named must fit."""

    channel: Annotated[str, Meta(min_length=1, description="id, or name the first time")]
    services: Annotated[list[str], Meta(description="the likely cause or what hurts, `*` is any text")] = field(
        default_factory=list
    )
    teams: Annotated[list[str], Meta(description="values of the labels team, owner or squad")] = field(
        default_factory=list
    )
    severity: Annotated[Literal["", "critical", "warning"], Meta(description="none = both")] = ""


class SlackReceiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="slack"):
    """One message per incident in a Slack channel, edited in place; see [Slack](slack.md)."""

    token_file: Annotated[str, Meta(min_length=1, description="file with the bot token, xoxb-...")]
    channel: Annotated[str, Meta(min_length=1, description="id, or name the first time; where no route fits")]
    name: Name = "slack"
    routes: Annotated[list[SlackRoute], Meta(description="the first that fits wins")] = field(default_factory=list)
    app_token_file: Annotated[str, Meta(description="app token, xapp-...: buttons work over Socket Mode")] = ""
    signing_secret_file: Annotated[str, Meta(description="buttons work over POST /slack/interactions")] = ""
    users: Annotated[list[str], Meta(description="ids of who may use the buttons; none = all who see them")] = field(
        default_factory=list
    )
    gather_s: Annotated[float, Meta(ge=0, description="from the first sign of an incident to its message")] = 90.0
    fast_gather_s: Annotated[float, Meta(ge=0, description="the same when an SLO burns fast")] = 30.0
    slo_objective: Annotated[float, Meta(gt=0, lt=1, description="share of requests that must succeed")] = 0.999
    max_per_hour: Annotated[int, Meta(ge=0, description="messages in one channel; more become one digest")] = 20
    silence_hours: Annotated[float, Meta(gt=0, description="how long a silence is that a button proposes")] = 2.0
    dashboard_url: Annotated[str, Meta(description="with {service}, {from_ms}, {to_ms}, {from_s}, {to_s}")] = ""
    runbook_url: Annotated[str, Meta(description="with {service}; an alert's own runbook comes first")] = ""
    weekly_report: Annotated[bool, Meta(description="on Monday 08:00 UTC: pages, how many were real, idle rules")] = (
        True
    )
    charts: Annotated[bool, Meta(description="a picture in the thread; needs the extra `charts`")] = True
    api_url: Annotated[str, Meta(pattern="^https?://.+/$", description="address of Slack's API")] = (
        "https://slack.com/api/"
    )
    timeout_s: Seconds = 10.0
    only: Told = Only()
