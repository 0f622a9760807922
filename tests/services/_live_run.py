"""The real shop under a real Prometheus and Alertmanager, with the service told of both; one fault at a time."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.services._aiops_process import AiopsProcess, free_port, wait_for
from tests.services._servers import alertmanager_server, prometheus_server
from tests.services._webhook_receiver import WebhookReceiver
from tests.services.shop import LiveShop

SCRAPE_S = 1
GROUP_WAIT_S = 2
WARM_UP_S = 55.0  # the detectors have no opinion on their first 50 rows
FAULTS_OF = {
    "crash": "payments",
    "latency": "cart",
    "errors": "checkout",
    "saturation": "database",
    "dependency errors": "database",
}
"""Each fault with the service it is switched on in."""

_PROMETHEUS = """\
global: {{scrape_interval: {scrape_s}s, scrape_timeout: {scrape_s}s, evaluation_interval: 1s}}
rule_files: [rules.yaml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}
{scrapes}"""

_RULES = """\
groups:
  - name: shop
    rules:
      - alert: GatewayFails
        expr: >-
          sum(rate(http_server_request_duration_seconds_count{job="gateway", http_response_status_code="500"}[5s]))
          / sum(rate(http_server_request_duration_seconds_count{job="gateway"}[5s])) > 0.05
        labels: {severity: critical, service: gateway}
        annotations: {summary: more than a twentieth of the requests fail}
      - alert: GatewaySlow
        expr: >-
          sum(rate(http_server_request_duration_seconds_sum{job="gateway"}[5s]))
          / sum(rate(http_server_request_duration_seconds_count{job="gateway"}[5s])) > 0.05
        labels: {severity: critical, service: gateway}
        annotations: {summary: requests take more than 50 ms on average}
"""

_ALERTMANAGER = """\
route: {{receiver: aiops, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: aiops
    webhook_configs: [{{url: '{url}/webhooks/alertmanager', send_resolved: true}}]
"""

_SETTINGS = """\
prometheus:
  - {{url: 'http://127.0.0.1:{port}', step_s: {step_s}, lateness_steps: 1, window_s: 5, history_days: 0.02}}
triage: {{group_wait_s: {group_wait_s}, hold_s: 3, window_s: 60}}
detection: {{hold_s: 3, gone_s: 20, settle_s: 5}}
graph: {{refresh_s: 5}}
notifiers: [{{kind: webhook, name: test, url: '{webhook}'}}]
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one fault; times in seconds since it was switched on, `resolved_s` since it was switched off.

    `rank` is the place of the broken service among the suspects once the alert had joined; 0 = not named.
    """

    fault: str
    service: str
    incident_s: float
    notified_s: float
    alert_s: float
    resolved_s: float
    incidents: int
    rank: int
    first_suspect: str


class LiveRun:
    """Starts all processes and lets the detectors warm up; `play` switches a fault on, watches, and switches it off."""

    def __init__(self, folder: Path) -> None:
        self.shop, self.receiver = LiveShop(), WebhookReceiver()
        port = free_port()
        settings = _SETTINGS.format(port=port, step_s=SCRAPE_S, group_wait_s=GROUP_WAIT_S, webhook=self.receiver.url)
        self.aiops = AiopsProcess(folder, settings)
        self.alertmanager = alertmanager_server(folder / "alertmanager", _ALERTMANAGER.format(url=self.aiops.url))
        config = _PROMETHEUS.format(
            scrape_s=SCRAPE_S, alertmanager=self.alertmanager.port, scrapes=self.shop.scrape_configs()
        )
        self.prometheus = prometheus_server(folder / "prometheus", config, "--rules.alert.resend-delay=2s", port=port)
        (folder / "prometheus" / "rules.yaml").write_text(_RULES, encoding="utf-8")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.shop)
            stack.enter_context(self.receiver)
            for server in (self.alertmanager, self.prometheus):
                stack.callback(server.stop)
                server.start()
            began = time.monotonic()
            stack.enter_context(self.aiops)
            self.aiops.wait_ready()
            time.sleep(max(0.0, WARM_UP_S - (time.monotonic() - began)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def play(self, service: str, fault: str, limit_s: float = 45.0) -> Outcome:
        """One fault from beginning to end.

        Raises
        ------
        TimeoutError : no incident, no alert in it, or no end of it within `limit_s`; the message shows what there is
        """
        before = {incident["id"] for incident in self._incidents()}
        told = len(self.receiver.taken)
        began = time.monotonic()
        self.shop.break_(service, fault)
        opened = self._until(lambda i: i["opened_at"] is not None, before, limit_s, "no incident")
        incident_s = time.monotonic() - began
        wait_for(lambda: self._told_of(opened["id"], told), limit_s, lambda: f"not told: {self.aiops.log_tail()}")
        notified_s = self._told_of(opened["id"], told)[0] - began
        self._until(lambda i: i["id"] == opened["id"] and i["alerts"], before, limit_s, "the alert did not join")
        alert_s = time.monotonic() - began
        time.sleep(3.0)  # what comes after the alert must not make a second incident
        seen = next(i for i in self._incidents() if i["id"] == opened["id"])
        self.shop.heal(service)
        healed = time.monotonic()
        self._until(lambda i: i["id"] == opened["id"] and i["status"] == "resolved", before, limit_s, "not resolved")
        resolved_s = time.monotonic() - healed
        suspects = [s["service"] for s in seen["suspects"]]
        return Outcome(
            fault=fault,
            service=service,
            incident_s=incident_s,
            notified_s=notified_s,
            alert_s=alert_s,
            resolved_s=resolved_s,
            incidents=len([i for i in self._incidents() if i["id"] not in before]),
            rank=suspects.index(service) + 1 if service in suspects else 0,
            first_suspect=suspects[0] if suspects else "",
        )

    def _incidents(self) -> list[dict[str, Any]]:
        """Incidents of the shop; what the service says of itself on a busy machine is not meant."""
        incidents: list[dict[str, Any]] = self.aiops.get("/api/v1/incidents")["incidents"]
        return [incident for incident in incidents if incident["kind"] != "self"]

    def _told_of(self, incident_id: str, after: int) -> list[float]:
        """When people were told of an incident, among the notifications after the first so many."""
        return [taken.at_s for taken in self.receiver.taken[after:] if taken.body["incident"]["id"] == incident_id]

    def _until(self, is_so: Any, before: set[str], limit_s: float, otherwise: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [i for i in self._incidents() if i["id"] not in before and is_so(i)]
            return bool(found)

        wait_for(look, limit_s, lambda: f"{otherwise}: {self._incidents()} {self.aiops.log_tail()}")
        return found[0]
