"""Trouble with the disk and the database under a running service: senders are told to wait, and nothing is lost.

A limit on the size of its files, set on the process from outside, stands in for a full disk.
"""

import resource
import shutil
import sqlite3
from contextlib import contextmanager

import httpx
import pytest

from tests.bad_input._told import opened, post_alert, scraped, settings
from tests.services._aiops_process import AiopsProcess, wait_for


@pytest.fixture
def own(tmp_path, receiver, monkeypatch):
    """A service of one's own, that may end; unmeasured, because coverage itself fails on a full disk."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with AiopsProcess(tmp_path, settings(tmp_path, receiver)) as service:
        service.wait_ready(limit_s=180)
        yield service


@contextmanager
def full_disk(service):
    """Let no file of the service grow while the block lasts, if the service does not end before."""
    wal = service.folder / "aiops.sqlite-wal"
    _, hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (min(wal.stat().st_size, 4096), hard))
    try:
        yield
    finally:
        if service.process.poll() is None:
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def locked(service):
    """Another program works with the database while the block lasts."""
    shell = sqlite3.connect(service.folder / "aiops.sqlite", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        shell.execute("ROLLBACK")
        shell.close()


def overloaded(service):
    return scraped(service.url, "aiops_http_requests_total", endpoint="alertmanager", result="overloaded")


def told(service, receiver, island):
    wait_for(lambda: island in opened(receiver), 60, service.log_tail)
    assert opened(receiver).count(island) == 1


@pytest.mark.parametrize(
    ("trouble", "reason", "island"), [(full_disk, "disk", "island-0"), (locked, "locked", "island-1")]
)
def test_a_sender_is_told_to_come_again_and_nothing_is_lost(service, receiver, trouble, reason, island):
    failed, refused = scraped(service.url, "aiops_store_errors_total"), overloaded(service)
    with trouble(service):
        answer = post_alert(service.url, island)
        assert answer.status_code == 503, answer.text
        assert reason in answer.json()["error"]
        assert "retry-after" in answer.headers
        assert httpx.get(f"{service.url}/-/healthy", timeout=10.0).is_success
    assert post_alert(service.url, island).status_code == 202
    told(service, receiver, island)
    assert overloaded(service) == refused + 1
    assert scraped(service.url, "aiops_store_errors_total") > failed
    if trouble is locked:  # the log is on the disk that is full
        assert "path=/webhooks/alertmanager status=503" in service.log_tail()


@pytest.mark.parametrize(
    ("trouble", "reason", "island"), [(full_disk, "disk", "island-2"), (locked, "locked", "island-3")]
)
def test_what_was_accepted_waits_for_the_disk_and_is_told_once(service, receiver, trouble, reason, island):
    failed = scraped(service.url, "aiops_store_errors_total")
    assert post_alert(service.url, island).status_code == 202
    with trouble(service):
        # Its cycle cannot be saved, or the one that tells it cannot: the group wait is not over yet.
        wait_for(lambda: scraped(service.url, "aiops_store_errors_total") > failed, 30, service.log_tail)
        reasons = httpx.get(f"{service.url}/-/ready", timeout=10.0)
        assert reasons.status_code == 503
        assert "store: " in reasons.text
        assert reason in reasons.text
        assert island not in opened(receiver)
    told(service, receiver, island)
    wait_for(lambda: service.answers("/-/ready"), 60, service.log_tail)


def test_sigterm_with_a_full_disk_ends_with_a_message_and_the_next_start_tells(own, receiver):
    assert post_alert(own.url, "island-4").status_code == 202
    with full_disk(own):
        wait_for(lambda: scraped(own.url, "aiops_store_errors_total") > 0, 30, own.log_tail)
        assert own.terminate(limit_s=30) == 1
    assert "stopped with a cycle that could not be saved; it will be done again" in own.log_tail()
    assert "Traceback" not in own.log_tail()
    own.start()
    own.wait_ready()
    told(own, receiver, "island-4")


def test_a_database_damaged_under_the_service_is_told_and_refused_at_the_next_start(own, receiver, tmp_path):
    assert post_alert(own.url, "island-5").status_code == 202
    assert own.terminate(limit_s=30) == 0
    whole = tmp_path / "whole.sqlite"
    shutil.copy(own.folder / "aiops.sqlite", whole)
    with (own.folder / "aiops.sqlite").open("r+b") as file:
        for page in range(2, whole.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\x5a" * 64)
    own.start()
    assert own.process.wait(timeout=60) == 1
    assert "aiops.sqlite: the file is damaged; restore a backup, or move it away" in own.log_tail()
    assert "Traceback" not in own.log_tail()
    shutil.copy(whole, own.folder / "aiops.sqlite")
    own.start()
    own.wait_ready()
    told(own, receiver, "island-5")
