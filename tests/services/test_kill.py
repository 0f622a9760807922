"""What must survive: kill -9 at any moment loses no notification, SIGTERM ends in good order."""

import pytest

from tests.services._aiops_process import wait_for
from tests.services._kill_run import KillRun, opened_services

pytestmark = pytest.mark.service


def test_kill_at_random_moments_loses_no_notification_and_repeats_only_with_the_same_key(tmp_path):
    with KillRun(tmp_path) as run:
        run.kill(8, seed=11)
        count = run.finish()
    assert count.alerts > 20
    assert count.lost == 0
    assert count.keys_twice == 0
    assert count.repeated <= 16  # a kill repeats what was sent and not yet marked: one or two


def test_sigterm_ends_with_status_0_and_what_was_open_is_open_after_the_next_start(tmp_path):
    with KillRun(tmp_path) as run:
        wait_for(lambda: len(opened_services(run.receiver)) >= 3, 30, run.aiops.log_tail)
        assert run.aiops.terminate(limit_s=10) == 0
        before = opened_services(run.receiver)
        run.aiops.start()
        run.aiops.wait_ready()
        incidents = run.aiops.get("/api/v1/incidents?limit=1000")["incidents"]
        assert before <= {service for incident in incidents for service in incident["services"]}
        count = run.finish()
    assert (count.lost, count.keys_twice) == (0, 0)
    assert "Traceback" not in (tmp_path / "aiops.log").read_text(encoding="utf-8")
