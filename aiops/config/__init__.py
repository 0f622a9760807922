"""Settings: one YAML file, checked against the structures of this package."""

from aiops.config.kafka import KafkaInput, KafkaSettings
from aiops.config.receivers import AlertmanagerReceiver, ConsoleReceiver, WebhookReceiver
from aiops.config.settings import (
    DetectionSettings,
    GraphSettings,
    Limits,
    ListenSettings,
    MaintenanceSettings,
    Settings,
    StoreSettings,
    TriageSettings,
    VerdictSettings,
    load,
    parse,
)
from aiops.config.sources import BasicAuth, PrometheusSettings, PushSettings, source_name

__all__ = [
    "AlertmanagerReceiver",
    "BasicAuth",
    "ConsoleReceiver",
    "DetectionSettings",
    "GraphSettings",
    "KafkaInput",
    "KafkaSettings",
    "Limits",
    "ListenSettings",
    "MaintenanceSettings",
    "PrometheusSettings",
    "PushSettings",
    "Settings",
    "StoreSettings",
    "TriageSettings",
    "VerdictSettings",
    "WebhookReceiver",
    "load",
    "parse",
    "source_name",
]
