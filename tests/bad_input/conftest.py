"""A service as a process of its own, with a receiver that notes what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input._told import settings
from tests.services._aiops_process import AiopsProcess
from tests.services._webhook_receiver import WebhookReceiver


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    """Takes every notification."""
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> Iterator[AiopsProcess]:
    """One running service for the tests of a file; each must leave it as well as it found it."""
    folder: Path = tmp_path_factory.mktemp("service")
    with AiopsProcess(folder, settings(folder, receiver)) as service:
        service.wait_ready(limit_s=180)  # the first start of an installation compiles
        yield service
        assert service.process is not None
        assert service.process.poll() is None, f"the service ended: {service.log_tail()}"
        log = (folder / "aiops.log").read_text(encoding="utf-8")
        assert "Traceback" not in log
