"""A fault in a real service becomes one incident with the alert in it, the right suspect, and an end."""

import pytest

from tests.services._live_run import FAULTS_OF, LiveRun

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with LiveRun(tmp_path_factory.mktemp("live")) as started:
        yield started


@pytest.mark.parametrize("fault", ["crash", "latency"])
def test_a_fault_gives_one_incident_with_alert_cause_and_end(run, fault):
    seen = run.play(FAULTS_OF[fault], fault)
    assert seen.incidents == 1
    assert seen.first_suspect == FAULTS_OF[fault]
