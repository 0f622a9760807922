"""How to reach a Prometheus server, and who we are to it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiops.errors import InputError, Unavailable
from aiops.secret import Secret


@dataclass(frozen=True, slots=True)
class Connection:
    """Settings of one server that speaks the Prometheus HTTP API (Prometheus, Thanos, Mimir, VictoriaMetrics).

    Parameters
    ----------
    url : up to, not including, `/api/v1`; without user and password
    headers : sent with every request; values are secrets because API keys often travel here
    user, password : basic auth
    bearer_token, bearer_token_file : bearer auth; the file is read again for every request, as tokens rotate
    ca_file : certificate authorities to trust instead of the system's
    tenant : value of `X-Scope-OrgID`
    timeout_s : for connecting, and between two pieces of an answer
    max_points : of one series in one range query; 11,000 is Prometheus' own limit
    max_series : of one query; what comes after is dropped and counted
    max_body_bytes : of one answer after decompression; a larger one is asked for again in halves
    compress : ask for gzip. Saves two thirds of the bytes, but makes answers six times as slow (measured): for links
        below 50 Mbit/s
    """

    url: str
    headers: Mapping[str, Secret] = field(default_factory=dict)
    user: str = ""
    password: Secret | None = None
    bearer_token: Secret | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    tenant: str = ""
    timeout_s: float = 30.0
    max_points: int = 11_000
    max_series: int = 50_000
    max_body_bytes: int = 128 * 2**20
    compress: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("url must look like http://host:9090 or https://host/prefix")
        if parts.username is not None or parts.password is not None:
            raise InputError("url must not hold a user or password: use user and password")
        if self.bearer_token and self.bearer_token_file:
            raise InputError("at most one of bearer_token and bearer_token_file may be configured")
        if self.user and (self.bearer_token or self.bearer_token_file):
            raise InputError("at most one of user and bearer_token may be configured")
        for name in ("timeout_s", "max_points", "max_series", "max_body_bytes"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be > 0, got {getattr(self, name)}")

    def address(self, path: str) -> str:
        """The full address of an API path such as `query_range`."""
        return f"{self.url.rstrip('/')}/api/v1/{path}"

    def request_headers(self) -> dict[str, str]:
        """Headers of the next request. Raises `Unavailable` when the token file cannot be read just now."""
        headers = {"Accept-Encoding": "gzip" if self.compress else "identity"}
        headers |= {name: value.reveal() for name, value in self.headers.items()}
        if self.tenant:
            headers["X-Scope-OrgID"] = self.tenant
        token = self.bearer_token.reveal() if self.bearer_token else self._token_of_file()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def basic_auth(self) -> tuple[str, str] | None:
        """User and password, if there are any."""
        return (self.user, self.password.reveal() if self.password else "") if self.user else None

    def tls(self) -> ssl.SSLContext | bool:
        """Whom to trust. Raises `InputError` when `ca_file` is missing or holds no certificate."""
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError) as e:
            raise InputError(f"ca_file: {self.ca_file} must hold PEM certificates: {e}") from e

    def _token_of_file(self) -> str:
        if self.bearer_token_file is None:
            return ""
        try:
            return self.bearer_token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as e:
            raise Unavailable(f"bearer_token_file: {self.bearer_token_file} cannot be read: {type(e).__name__}") from e
