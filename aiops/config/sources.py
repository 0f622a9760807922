"""Settings of where samples come from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field


class BasicAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password for basic authentication."""

    username: Annotated[str, Meta(description="as the server knows it")]
    password_file: Annotated[str, Meta(description="file with the password, read at each start")]


class PrometheusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Prometheus (or Thanos, Mimir, VictoriaMetrics) to pull from."""

    url: Annotated[str, Meta(pattern="^https?://", description="base address, without /api/v1")]
    name: Annotated[str, Meta(description="stable name of this source; default: host and port of the url")] = ""
    step_s: Annotated[float, Meta(ge=1, le=3600, description="distance of the samples asked for, seconds")] = 30.0
    lateness_steps: Annotated[int, Meta(ge=0, le=20, description="steps for which late data is waited for")] = 2
    window_s: Annotated[float, Meta(ge=0, description="rate() window, seconds; 0 = max(60, 4 steps)")] = 0.0
    history_days: Annotated[float, Meta(ge=0, le=90, description="how much is read back to learn from at start")] = 3.0
    catch_up_hours: Annotated[float, Meta(ge=0, description="longest gap that is filled after a restart")] = 24.0
    packs: Annotated[list[str] | Literal["auto"], Meta(description="signal packs; auto = those that match")] = "auto"
    headers: Annotated[dict[str, str], Meta(description="extra request headers")] = field(default_factory=dict)
    tenant: Annotated[str, Meta(description="X-Scope-OrgID header")] = ""
    bearer_token_file: Annotated[str, Meta(description="file with a bearer token, read at each start")] = ""
    basic_auth: Annotated[BasicAuth | None, Meta(description="in place of `bearer_token_file`")] = None
    ca_file: Annotated[str, Meta(description="certificate authority for TLS")] = ""
    timeout_s: Annotated[float, Meta(gt=0, description="limit for one query, seconds")] = 30.0
    max_points: Annotated[int, Meta(ge=10, description="points per series one range query may ask for")] = 11_000
    concurrency: Annotated[int, Meta(ge=1, le=64, description="queries under way at once")] = 4


class PushSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Samples that are pushed to us by remote_write or OTLP."""

    enabled: Annotated[bool, Meta(description="accept POST /api/v1/write and /v1/metrics")] = True
    step_s: Annotated[float, Meta(ge=1, le=3600, description="distance of the ticks, seconds")] = 30.0
    window_s: Annotated[float, Meta(ge=0, description="rate() window, seconds; 0 = max(60, 4 steps)")] = 0.0
    lateness_s: Annotated[float, Meta(ge=0, description="how long a tick waits for late samples; 0 = one step")] = 0.0
    idle_s: Annotated[float, Meta(gt=0, description="silence after which the wall clock closes ticks, seconds")] = 120.0
    packs: Annotated[list[str] | Literal["auto"], Meta(description="signal packs; auto = all")] = "auto"
    max_raw_series: Annotated[int, Meta(ge=1, description="raw series kept; more are dropped and counted")] = 200_000
    max_pending_samples: Annotated[int, Meta(ge=1, description="samples waiting; beyond it senders get 503")] = (
        5_000_000
    )
    max_body_bytes: Annotated[int, Meta(ge=1024, description="largest compressed request body")] = 16 * 2**20


def source_name(one: PrometheusSettings) -> str:
    """The name under which a source's position is stored."""
    return one.name or one.url.split("://", 1)[1].rstrip("/")
