"""Settings of the service on Kafka."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

RecordFormat = Literal["prometheus_json", "remote_write", "otlp_proto", "cloudevents"]
"""What others put into topics: prometheus-kafka-adapter's JSON, bodies of remote_write 1.0, OTLP, CloudEvents."""


class KafkaInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic of others that is read as input by the gateways."""

    topic: Annotated[str, Meta(min_length=1, description="its name")]
    format: Annotated[RecordFormat, Meta(description="of its records")]


class KafkaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several workers that share the work through Kafka; needs the extra `kafka` and a PostgreSQL store."""

    bootstrap: Annotated[str, Meta(description="host:port of brokers, separated by commas; empty = one process")] = ""
    prefix: Annotated[str, Meta(description="of the names of topics and consumer groups")] = "aiops."
    partitions: Annotated[int, Meta(ge=1, le=1024, description="of samples; at most as many workers detect")] = 16
    replication: Annotated[int, Meta(ge=1, le=7, description="copies of each partition; 3 outlives a broker")] = 1
    retention_hours: Annotated[float, Meta(gt=0, description="how long samples are kept")] = 24.0
    session_timeout_s: Annotated[
        float, Meta(ge=1, le=60, description="a worker silent for so long is taken for dead")
    ] = 10.0
    linger_s: Annotated[
        float, Meta(ge=0, le=5, description="requests of so long share frames, unless all wait already")
    ] = 0.05
    lease_s: Annotated[float, Meta(ge=3, description="a pull is moved when its worker is silent for so long")] = 15.0
    snapshot_s: Annotated[float, Meta(gt=0, description="seconds between two snapshots of a partition")] = 60.0
    tls: Annotated[bool, Meta(description="speak TLS with the brokers")] = False
    ca_file: Annotated[str, Meta(description="certificate authority for TLS")] = ""
    user: Annotated[str, Meta(description="for SASL; empty = none")] = ""
    password_file: Annotated[str, Meta(description="file with the password for SASL")] = ""
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="of SASL, where `user` is set")
    ] = "SCRAM-SHA-512"
    inputs: Annotated[list[KafkaInput], Meta(description="topics of others that are read as input")] = field(
        default_factory=list
    )
