"""What a metric is about, from the generic words in its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Family = Literal[
    "latency",
    "errors",
    "availability",
    "traffic",
    "cpu",
    "throttling",
    "memory",
    "queue",
    "pool",
    "restarts",
    "disk",
    "network",
    "log errors",
    "logs",
    "gap",
    "expiry",
    "other",
]
Side = Literal["server", "client", ""]
Bad = Literal["up", "down", "both"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric's name says.

    Parameters
    ----------
    family : what is measured
    statistic : mean, p50, p99, max, ... or "" when the name does not say
    side : for calls, who measured: the called (`server`) or the calling service (`client`)
    is_own : time spent in the service alone, callees excluded
    is_host : it measures the machine, which other services share
    bad : which way hurts
    """

    family: Family
    statistic: str
    side: Side
    is_own: bool
    is_host: bool
    bad: Bad


# The first family with a word in the name wins, so the order says which word is the stronger one: `cpu_throttled` is
# throttling, `log_errors` are logs, `pool_wait_seconds` is the pool.
_WORDS: tuple[tuple[Family, Bad, frozenset[str]], ...] = (
    ("expiry", "both", frozenset({"expiry", "expires", "expiration", "cert", "certificate", "quota"})),
    ("throttling", "up", frozenset({"throttled", "throttling", "throttle", "psi", "pressure", "steal"})),
    ("restarts", "up", frozenset({"restart", "restarts", "oom", "oomkilled", "crash", "crashes", "evictions"})),
    ("gap", "up", frozenset({"gap", "rtt", "retransmits", "retransmit", "retransmissions", "packet", "loss"})),
    ("pool", "up", frozenset({"connections", "connection", "conn", "conns", "pool", "threads", "sockets", "socket",
                              "sessions", "fds", "waiting", "locks", "saturation"})),
    ("queue", "up", frozenset({"queue", "queued", "backlog", "lag", "pending", "depth", "inflight", "flight"})),
    ("availability", "down", frozenset({"availability", "available", "success", "successes", "uptime", "up", "ready"})),
    ("errors", "up", frozenset({"error", "errors", "err", "errs", "fail", "fails", "failed", "failure", "failures",
                                "5xx", "exception", "exceptions", "fault", "faults", "timeout", "timeouts", "rejected",
                                "dropped", "drops", "reset", "resets", "aborted", "retries"})),
    ("cpu", "up", frozenset({"cpu", "cpus", "load1", "load5", "load15", "cores"})),
    ("memory", "up", frozenset({"memory", "mem", "heap", "rss", "gc", "swap"})),
    ("network", "both", frozenset({"net", "network", "rx", "tx", "receive", "transmit", "packets"})),
    ("disk", "up", frozenset({"disk", "diskio", "fs", "filesystem", "io", "iops", "iowait", "inodes", "volume",
                              "syscall"})),
    ("latency", "up", frozenset({"latency", "latencies", "lat", "duration", "durations", "dur", "elapsed", "delay",
                                 "rt", "seconds", "millis", "ms", "self", "response"})),
    ("logs", "both", frozenset({"log", "logs"})),
    ("traffic", "both", frozenset({"request", "requests", "req", "reqs", "rps", "qps", "tps", "throughput", "traffic",
                                   "ops", "operations", "calls", "hits", "workload", "load", "span", "messages",
                                   "queries", "transactions", "count", "rate"})),
)  # fmt: skip
# Means add up along a call tree and come first; then the statistic least ruled by a few requests.
LATENCY_ORDER = {s: place for place, s in enumerate(("mean", "p50", "p75", "p90", "p95", "p99", "", "max"))}
_STATISTICS = {"avg": "mean", "average": "mean", "mean": "mean", "max": "max", "maximum": "max", "median": "p50"}
_SERVER = frozenset({"server", "in", "inbound", "destination"})
_CLIENT = frozenset({"client", "out", "outbound", "upstream", "source"})
_HOST = frozenset({"node", "host", "machine", "instance"})


@lru_cache(maxsize=65536)
def base(metric: str) -> str:
    """A metric's name without its labels, written `name{...}` or `name.value`.

    Dots also part words of names; what follows the first is taken for labels only where what stands before it already
    says what the metric is about, so that a queue in a label is no queue in the name.

    >>> base('error_ratio{route="/x"}'), base("latency_p95.mail-queue"), base("http.server.duration")
    ('error_ratio', 'latency_p95', 'http.server.duration')
    """
    name = metric.partition("{")[0]
    head, dot, _ = name.partition(".")
    return head if dot and _family(frozenset(_split(head)))[0] != "other" else name


@lru_cache(maxsize=65536)
def words(metric: str) -> tuple[str, ...]:
    """The words of a metric's name in lower case, labels left out.

    >>> words('latency_Average'), words('nodeCpuPct'), words('error_ratio{route="/x"}')
    (('latency', 'average'), ('node', 'cpu', 'pct'), ('error', 'ratio'))
    """
    return _split(base(metric))


def _split(name: str) -> tuple[str, ...]:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return tuple(word for word in re.split(r"[^a-z0-9]+", parted) if word)


def _family(found: frozenset[str]) -> tuple[Family, Bad]:
    return next(((family, bad) for family, bad, names in _WORDS if not names.isdisjoint(found)), ("other", "both"))


@lru_cache(maxsize=65536)
def meaning(metric: str, is_edge: bool = False) -> Meaning:  # noqa: FBT001, FBT002 - part of the cached key
    """Tell what a metric is about.

    A percentile of a call with no other hint is the call's latency.

    >>> meaning("latency_p95").family, meaning("availability_Average").bad, meaning("node_cpu_pct").is_host
    ('latency', 'down', True)
    >>> meaning("log_errors").family, meaning("edge_out_p50", True).family, meaning("client_error_ratio").side
    ('log errors', 'latency', 'client')
    """
    parts = words(metric)
    found = frozenset(parts)
    statistic = next((s for s in map(_statistic, parts) if s), "")
    family, bad = _family(found)
    if family == "errors" and not found.isdisjoint({"log", "logs"}):
        family = "log errors"
    if is_edge and family == "other" and statistic:
        family, bad = "latency", "up"
    side: Side = "client" if not found.isdisjoint(_CLIENT) else "server" if not found.isdisjoint(_SERVER) else ""
    return Meaning(family, statistic, side, "self" in found, not found.isdisjoint(_HOST), bad)


def _statistic(word: str) -> str:
    if re.fullmatch(r"p\d{1,3}", word):
        return word
    if word in ("50", "90", "95", "99", "999"):
        return f"p{word}"
    return _STATISTICS.get(word, "")
