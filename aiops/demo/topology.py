"""The services of the shop, what a request costs them, and who calls whom.

All numbers are chosen: those of a middling web shop, busy enough that a minute holds some hundred requests of the
rarest service.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it is when nothing is wrong.

    Parameters
    ----------
    name : as it stands in labels
    own_s : mean time of a request spent in the service itself, without its callees
    spread : standard deviation of that time as a share of its mean
    failing : share of requests it fails by itself
    cpu_s : processor seconds per request
    memory_bytes : working set at rest
    entry_rps : requests per second that come from outside, mean over a week
    speaks_http : False for stores and workers, which have no HTTP server metrics of their own
    """

    name: str
    own_s: float
    spread: float
    failing: float
    cpu_s: float
    memory_bytes: float
    entry_rps: float = 0.0
    speaks_http: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One dependency: a request of `caller` makes `per_request` requests of `callee`.

    `passes` is the share of the callee's failures that fail the caller's request too; the rest is caught by a fallback.
    """

    caller: str
    callee: str
    per_request: float
    passes: float = 0.95


_MB = 1024.0 * 1024.0

SERVICES: tuple[Service, ...] = (
    Service("gateway", 0.004, 0.6, 0.0004, 0.0012, 180 * _MB, entry_rps=120.0),
    Service("shipping", 0.030, 0.8, 0.0010, 0.0060, 220 * _MB, entry_rps=6.0, speaks_http=False),
    Service("notifications", 0.020, 0.8, 0.0010, 0.0030, 140 * _MB, entry_rps=9.0, speaks_http=False),
    Service("search", 0.035, 0.7, 0.0008, 0.0110, 900 * _MB),
    Service("checkout", 0.022, 0.6, 0.0010, 0.0060, 310 * _MB),
    Service("payments", 0.055, 0.6, 0.0015, 0.0070, 280 * _MB),
    Service("fraud", 0.028, 0.5, 0.0006, 0.0140, 650 * _MB),
    Service("orders", 0.016, 0.6, 0.0008, 0.0050, 330 * _MB),
    Service("inventory", 0.012, 0.6, 0.0006, 0.0030, 240 * _MB),
    Service("cart", 0.007, 0.6, 0.0005, 0.0018, 160 * _MB),
    Service("catalogue", 0.010, 0.7, 0.0005, 0.0025, 420 * _MB),
    Service("database", 0.006, 0.9, 0.0001, 0.0016, 4096 * _MB, speaks_http=False),
    Service("cache", 0.0008, 0.7, 0.00005, 0.0001, 1024 * _MB, speaks_http=False),
    Service("queue", 0.0015, 0.7, 0.00005, 0.0003, 512 * _MB, speaks_http=False),
)
"""Every service stands before all that it calls."""

CALLS: tuple[Call, ...] = (
    Call("gateway", "search", 0.18, passes=0.9),
    Call("gateway", "checkout", 0.09),
    Call("gateway", "orders", 0.06),
    Call("gateway", "cart", 0.30),
    Call("gateway", "catalogue", 0.50),
    Call("search", "catalogue", 1.0, passes=0.5),
    Call("checkout", "payments", 0.9),
    Call("checkout", "orders", 0.9),
    Call("checkout", "inventory", 1.0),
    Call("checkout", "cart", 1.0),
    Call("payments", "fraud", 1.0, passes=0.8),
    Call("payments", "database", 2.0),
    Call("orders", "database", 2.0),
    Call("orders", "queue", 0.6),
    Call("inventory", "database", 1.0),
    Call("cart", "cache", 1.5, passes=0.7),
    Call("catalogue", "cache", 1.0, passes=0.1),
    Call("catalogue", "database", 0.3),
    Call("shipping", "queue", 1.0),
    Call("shipping", "database", 1.0),
    Call("notifications", "queue", 1.0),
)

NAMES: tuple[str, ...] = tuple(s.name for s in SERVICES)
