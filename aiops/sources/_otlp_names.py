"""Names of Prometheus for what OTLP calls otherwise, as Prometheus itself translates them.

The rules are those of its translation strategy `UnderscoreEscapingWithSuffixes`, the default: characters become
underscores, runs of them one, units and `_total` or `_ratio` are appended where the name does not have them already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from aiops.model import Labels

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_SERVICE_NAMES = (
    *("k8s.deployment.name", "k8s.replicaset.name", "k8s.statefulset.name", "k8s.daemonset.name"),
    *("k8s.cronjob.name", "k8s.job.name", "k8s.pod.name", "k8s.container.name"),
)
"""What names a service that does not name itself, in the order of OpenTelemetry's rules for Kubernetes."""

PROMOTED = (
    *("service.name", "service.namespace", "deployment.environment", "deployment.environment.name", "host.name"),
    *("k8s.cluster.name", "k8s.namespace.name", "k8s.node.name", "k8s.pod.name", "k8s.container.name"),
    *("k8s.deployment.name", "k8s.replicaset.name", "k8s.statefulset.name", "k8s.daemonset.name"),
    *("k8s.cronjob.name", "k8s.job.name"),
)
"""Resource attributes that become labels: who is speaking, and where it runs. All others are left out."""


def metric_name(name: str, unit: str, *, is_counter: bool, is_gauge: bool) -> str:
    """The family name of a metric; "" if it has none that Prometheus would take.

    >>> metric_name("http.server.request.duration", "s", is_counter=False, is_gauge=False)
    'http_server_request_duration_seconds'
    >>> metric_name("process.cpu.time", "s", is_counter=True, is_gauge=False)
    'process_cpu_time_seconds_total'
    >>> metric_name("jvm.memory.used_bytes", "By", is_counter=False, is_gauge=True)
    'jvm_memory_used_bytes'
    """
    words = re.findall(r"[A-Za-z0-9:]+", name)
    main, per = _unit_suffixes(unit)
    if main in words:
        main = ""
    per = "" if per == "per_" else per.removesuffix("_")
    if per in words:
        per = ""
    if per:
        main = main.removesuffix("_")
    words += [suffix for suffix in (main, per) if suffix]
    if is_counter:
        words = [*(word for word in words if word != "total"), "total"]
    if unit == "1" and is_gauge:
        words = [*(word for word in words if word != "ratio"), "ratio"]
    found = "_".join(words)
    if not found.strip("_"):
        return ""
    return f"_{found}" if found[0].isdigit() else found


def label_name(name: str) -> str:
    """The label of an attribute; "" if it has none that Prometheus would take.

    >>> label_name("http.response.status_code"), label_name("3rd"), label_name("__name__"), label_name("..")
    ('http_response_status_code', 'key_3rd', '__name__', '')
    """
    is_reserved = len(name) >= 4 and name.startswith("__") and name.endswith("__")
    found = re.sub(r"[^A-Za-z0-9]+", "_", name[2:-2] if is_reserved else name)
    found = f"__{found}__" if is_reserved else found
    if not found.strip("_"):
        return ""
    return f"key_{found}" if found[0].isdigit() else found


def resource_labels(attributes: Mapping[str, str]) -> dict[str, str]:
    """The labels of everything that a resource reports.

    `job` and `instance` as Prometheus sets them, and the attributes that tell services and their places apart. A
    service that does not name itself is named by its Kubernetes workload.

    >>> resource_labels({"service.name": "cart", "service.namespace": "shop", "os.type": "linux"})
    {'service_name': 'cart', 'service_namespace': 'shop', 'job': 'shop/cart'}
    """
    found = {label_name(name): attributes[name] for name in PROMOTED if attributes.get(name)}
    service = attributes.get("service.name", "")
    # What SDKs write when nobody told them a name.
    if not service or service.startswith("unknown_service"):
        service = next((attributes[name] for name in _SERVICE_NAMES if attributes.get(name)), service)
    if service:
        namespace = attributes.get("service.namespace", "")
        found |= {"service_name": service, "job": f"{namespace}/{service}" if namespace else service}
    if instance := attributes.get("service.instance.id", ""):
        found["instance"] = instance
    return found


def point_labels(attributes: Iterable[tuple[str, str]], resource: Mapping[str, str]) -> dict[str, str] | None:
    """The labels of a data point without `__name__`; None if an attribute has no name that Prometheus would take.

    Attributes whose names become one are joined by ";" in the order of their names.
    """
    found: dict[str, str] = {}
    for name, value in sorted(attributes):
        label = label_name(name)
        if not label:
            return None
        found[label] = f"{found[label]};{value}" if found.get(label) else value
    found.pop("__name__", None)
    for label, value in resource.items():
        if label in ("job", "instance") or not found.get(label):
            found[label] = value
    return found


def series_labels(name: str, labels: Mapping[str, str], extra: tuple[str, str] | None = None) -> Labels:
    """The sorted label set of a series; empty labels are none."""
    named = {**labels, "__name__": name}
    if extra is not None:
        named[extra[0]] = extra[1]
    return tuple(sorted((label, value) for label, value in named.items() if value))


def _unit_suffixes(unit: str) -> tuple[str, str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if "{" in main or "}" in main else _UNITS.get(main, main)
    per = "" if "{" in per or "}" in per else _PER_UNITS.get(per, per)
    return _cleaned(main), _cleaned(f"per_{per}") if per else ""


def _cleaned(unit: str) -> str:
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9:]", "_", unit)).removeprefix("_")
