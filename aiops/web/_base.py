"""What the HTTP side needs from the service behind it, and what can be set about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiops.audit import Audited
from aiops.detection.accepted import Accepted
from aiops.model import Event, Incident, Status, Suppressed
from aiops.secret import Secret
from aiops.series import SERVICE_LABELS
from aiops.sources._pushed_samples import Taken
from aiops.sources._write_headers import Written
from aiops.stores import Outgoing
from aiops.verdicts import VerdictBook
from rca import ServiceGraph

_NO_SECRET = Secret("")


class Backend(Protocol):
    """The service as the HTTP side sees it. Calls without `async` answer from memory, in milliseconds."""

    @property
    def book(self) -> VerdictBook:
        """Where verdicts are given and listed."""
        ...

    async def write(self, body: bytes, headers: Mapping[str, str]) -> Written:
        """Take a remote_write request as it came, still compressed; header names are in lower case.

        Raises
        ------
        UnsupportedMedia : another version or encoding (415)
        InputError : wrong for good (400)
        Overloaded, StoreError : the sender keeps it and tries again (503)
        """
        ...

    @property
    def direct_write(self) -> Callable[[bytes | memoryview, Mapping[str, str]], Written] | None:
        """The same as `write` in one call that does not wait, on the loop's thread; None where it has to wait.

        The body is overwritten after the call.
        """
        ...

    async def otlp_metrics(self, body: bytes, headers: Mapping[str, str]) -> Taken:
        """Take an OTLP request as it came, still compressed; header names are in lower case.

        Raises
        ------
        UnsupportedMedia : another encoding or compression (415)
        TooLarge : over a limit (413)
        InputError : wrong for good (400)
        Overloaded : the sender keeps it and tries again (503)
        """
        ...

    async def events(self, events: list[Event]) -> None:
        """Take events; when it returns they are durable. The same event may come again: identity is (id, status).

        Raises
        ------
        Overloaded, StoreError : the sender keeps them and tries again (503)
        """
        ...

    def incidents(self, status: Status | None, service: str, since_ms: int, limit: int) -> list[Incident]:
        """Incidents last updated at or after `since_ms`, newest first; None and "" mean any."""
        ...

    def incident(self, incident_id: str) -> Incident | None:
        """One incident, whole."""
        ...

    def accepted(self) -> list[Accepted]:
        """Levels that were taken for normal after a change, latest first."""
        ...

    async def undo(self, accepted_id: str) -> bool:
        """Have an accepted level taken back soon; False if there is nothing of that id to undo.

        Raises
        ------
        Overloaded, StoreError : it could not be asked for; try again (503)
        """
        ...

    def ready(self) -> list[str]:
        """Why the service is not ready; empty = it is."""
        ...

    def suppressed(self, since_ms: int, incident_id: str, limit: int) -> list[Suppressed]:
        """What nobody was told of by itself, and why, latest first; "" = of all incidents."""
        ...

    def outgoing(self, incident_id: str) -> list[Outgoing]:
        """What was and is to be sent of an incident, in order."""
        ...

    def dead_letters(self, limit: int) -> list[Outgoing]:
        """Notifications that were given up, latest first."""
        ...

    def put_back(self, keys: list[str]) -> int:
        """Have these dead letters tried again, all if there are none; how many there were."""
        ...

    def audit(self, limit: int) -> list[Audited]:
        """Who pressed, silenced and ended what, latest first."""
        ...

    def warnings(self) -> list[str]:
        """What somebody should look at although the service is ready."""
        ...

    def metrics(self) -> bytes:
        """Own metrics in Prometheus' text format."""
        ...

    def graph(self) -> ServiceGraph:
        """Who depends on whom, as far as is known."""
        ...


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What can be set about the HTTP side.

    Parameters
    ----------
    token : asked for on every route but /-/ and /metrics, as bearer token or as password; empty = nobody is asked
    grafana_secret : of Grafana's webhook signature, asked for besides the token; empty = not asked for
    grafana_timestamp_header : header with the signed time, if one is configured in Grafana
    service_labels : labels of alerts that may name the service, most telling first
    max_write_bytes : largest compressed remote_write request
    max_event_bytes : largest request of any other kind; Alertmanager sends 1-2 KB per alert without limit (chosen)
    max_held_bytes : bodies in memory at once; beyond it senders are told to come again (chosen)
    body_timeout_s : for a sender to send its body (chosen: twice the timeout of Prometheus)
    refresh_s : how often pages load themselves again
    form_key : of the seals in forms, the same in all processes that answer at one address; empty = one of our own
    """

    token: Secret = _NO_SECRET
    grafana_secret: Secret = _NO_SECRET
    grafana_signature_header: str = "x-grafana-alerting-signature"
    grafana_timestamp_header: str = ""
    service_labels: tuple[str, ...] = SERVICE_LABELS
    max_write_bytes: int = 16 * 2**20
    max_event_bytes: int = 8 * 2**20
    max_held_bytes: int = 128 * 2**20
    body_timeout_s: float = 60.0
    refresh_s: int = 15
    form_key: bytes = field(default=b"", repr=False)
