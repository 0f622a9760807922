"""Samples pulled from a Prometheus server."""

from __future__ import annotations

from aiops.sources._prometheus_client import PrometheusClient, Sample
from aiops.sources._prometheus_connection import Connection
from aiops.sources._range import Matrix, Patience, RangeReader

__all__ = ["Connection", "Matrix", "Patience", "PrometheusClient", "RangeReader", "Sample"]
