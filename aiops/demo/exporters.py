"""The shop as its exporters show it: raw counters, histograms and gauges under the names real ones use.

OpenTelemetry HTTP servers, the service graph of an OpenTelemetry collector, cAdvisor, kube-state-metrics and RabbitMQ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiops.demo.shop import CALLEE, DOWN_S, NETWORK_S, Stretch
from aiops.demo.topology import CALLS, NAMES, SERVICES
from aiops.model import F64, I64, Labels

BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram, of the OpenTelemetry default ones; the ninth bucket is +Inf."""

STATUS = ("200", "500")
_WEB = np.array([j for j, s in enumerate(SERVICES) if s.speaks_http])
_BACKLOG_S = 1.5  # messages wait about this long in the queue


@dataclass(frozen=True, slots=True)
class Restart:
    """A new process of a service: its counters begin at zero. `crashed` also counts as a restart of its pod."""

    time_ms: int
    service: str
    crashed: bool = False


def _labels(name: str, **labels: str) -> Labels:
    return tuple(sorted({"__name__": name, **labels}.items()))


def _http_labels() -> list[Labels]:
    name, out = "http_server_request_duration_seconds", []
    for j in _WEB:
        for code in STATUS:
            own = {"job": f"shop/{NAMES[j]}", "service_name": NAMES[j], "http_response_status_code": code}
            out += [_labels(f"{name}_bucket", le=f"{le:g}" if le < 1e9 else "+Inf", **own) for le in (*BOUNDS_S, 1e9)]
            out += [_labels(f"{name}_count", **own), _labels(f"{name}_sum", **own)]
    return out


_GRAPH = ("total", "failed_total", "server_seconds_count", "server_seconds_sum")
_GRAPH_CLIENT = ("client_seconds_count", "client_seconds_sum")


def _graph_labels() -> list[Labels]:
    return [
        _labels(f"traces_service_graph_request_{name}", client=c.caller, server=c.callee)
        for c in CALLS
        for name in (*_GRAPH, *_GRAPH_CLIENT)
    ]


_POD = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "kube_pod_container_status_restarts_total",
)


def _pod_labels() -> list[Labels]:
    return [_labels(m, namespace="shop", pod=f"{s}-0", container=s) for s in NAMES for m in _POD]


class Exporters:
    """Turns stretches of the shop into samples of raw series, in the order of `labels`.

    Parameters
    ----------
    seed : of the draws of single requests
    step_s : distance of steps, seconds
    restarts : when counters begin anew
    """

    def __init__(self, *, seed: int, step_s: int = 60, restarts: tuple[Restart, ...] = ()) -> None:
        http, graph, pods = _http_labels(), _graph_labels(), _pod_labels()
        self.labels: tuple[Labels, ...] = (
            *http,
            *graph,
            *pods,
            _labels("rabbitmq_queue_messages_ready", job="queue", queue="orders"),
        )
        self.step_s, self.restarts = step_s, restarts
        self._rngs = np.random.default_rng([seed, 1]).spawn(6)
        per_service = len(http) // len(_WEB)
        self._owner = np.full(len(self.labels), -1)
        self._owner[: len(http)] = np.repeat(_WEB, per_service)
        first = len(http) + len(graph)
        for metric in (0, 1):  # the third of a pod's series is told by the cluster, not by the pod
            self._owner[first + metric : first + 3 * len(NAMES) : 3] = np.arange(len(NAMES))
        self._is_counter = np.ones(len(self.labels), dtype=np.bool_)
        self._is_counter[first + 1 : first + 3 * len(NAMES) : 3] = False
        self._is_counter[-1] = False
        self._counted = np.zeros(len(self.labels))

    def read(self, shop: Stretch) -> F64:
        """Samples at the stretch's times, (t, series); NaN where no process answers the scrape."""
        parts = [self._http(shop), self._graph(shop), self._pods(shop), self._backlog(shop)]
        values = np.concatenate(parts, axis=1)
        counters = self._is_counter
        values[:, counters] = self._count(shop.times, values[:, counters], self._owner[counters], counters)
        down = np.zeros(values.shape, dtype=np.bool_)
        down[:, self._owner >= 0] = ~shop.up[:, self._owner[self._owner >= 0]]
        values[down] = np.nan
        return values

    def _count(self, times: I64, grown: F64, owner: I64, counters: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> F64:
        """Running totals over steps and stretches; a restart takes its service's back to zero."""
        total = self._counted[counters] + np.cumsum(grown, axis=0)
        for restart in self.restarts:
            row = int(np.searchsorted(times, restart.time_ms))
            if row == len(times) or restart.time_ms <= times[0] - self.step_s * 1000:
                continue
            mine = owner == NAMES.index(restart.service)
            total[row:, mine] -= total[row, mine] - grown[row, mine]
        self._counted[counters] = total[-1]
        return total

    def _http(self, shop: Stretch) -> F64:
        steps, web = len(shop.times), len(_WEB)
        mean, variance = shop.mean[:, _WEB], shop.variance[:, _WEB]
        expected = (shop.rate[:, _WEB] * self.step_s)[:, :, None, None] * _bucket_shares(mean, variance)[:, :, None, :]
        failing = shop.failing[:, _WEB]
        expected = expected * np.stack([1 - failing, failing], axis=2)[..., None]
        buckets = np.cumsum(self._rngs[0].poisson(expected), axis=3).astype(np.float64)
        count = buckets[..., -1:]
        took = _took(self._rngs[1], count[..., 0], mean[:, :, None], variance[:, :, None])[..., None]
        return np.concatenate([buckets, count, took], axis=3).reshape(steps, web * len(STATUS) * (len(BOUNDS_S) + 3))

    def _graph(self, shop: Stretch) -> F64:
        up = shop.up[:, CALLEE]
        fails = np.where(up, shop.failing[:, CALLEE], 1.0)
        expected = shop.call_rate * self.step_s
        drawn = self._rngs[2].poisson(np.stack([expected * (1 - fails), expected * fails], axis=2)).astype(np.float64)
        failed, total = drawn[..., 1], drawn.sum(axis=2)
        mean, variance = shop.mean[:, CALLEE], shop.variance[:, CALLEE]
        answered = np.where(up, total, 0.0)
        server = _took(self._rngs[3], answered, mean, variance)
        client = np.where(up, server + NETWORK_S * total, DOWN_S * total)
        columns = np.stack([total, failed, answered, server, total, client], axis=2)
        return np.asarray(columns.reshape(len(shop.times), 6 * len(CALLS)))

    def _pods(self, shop: Stretch) -> F64:
        crashes = np.zeros(shop.cpu.shape)
        for restart in self.restarts:
            row = int(np.searchsorted(shop.times, restart.time_ms))
            if restart.crashed and row < len(crashes) and restart.time_ms > shop.times[0] - self.step_s * 1000:
                crashes[row, NAMES.index(restart.service)] += 1
        columns = np.stack([shop.cpu * self.step_s, shop.memory, crashes], axis=2)
        return np.asarray(columns.reshape(len(shop.times), 3 * len(NAMES)))

    def _backlog(self, shop: Stretch) -> F64:
        published = shop.call_rate[:, [k for k, c in enumerate(CALLS) if (c.caller, c.callee) == ("orders", "queue")]]
        return np.asarray(self._rngs[4].poisson(_BACKLOG_S * published), dtype=np.float64)


def _took(rng: np.random.Generator, count: F64, mean: F64, variance: F64) -> F64:
    """Summed time of `count` requests: its mean and the scatter of a sum, never below zero."""
    scatter = np.sqrt(count * variance) * rng.standard_normal(count.shape)
    return np.asarray(np.maximum(count * mean + scatter, 0.0))


def _bucket_shares(mean: F64, variance: F64) -> F64:
    """Share of requests in each bucket, (..., buckets), times being lognormal with the given moments (s, s^2)."""
    from scipy.special import ndtr

    sigma2 = np.log1p(variance / mean**2)
    mu = np.log(mean) - sigma2 / 2
    below = ndtr((np.log(BOUNDS_S) - mu[..., None]) / np.sqrt(sigma2)[..., None])
    edges = np.concatenate([np.zeros_like(mu)[..., None], below, np.ones_like(mu)[..., None]], axis=-1)
    return np.asarray(np.diff(edges, axis=-1))
