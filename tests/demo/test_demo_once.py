"""The command a new user types, as a process of its own."""

import json
import subprocess
import sys


def test_demo_once_prints_the_incident_of_the_bad_deploy_and_ends_with_0(tmp_path):
    command = [sys.executable, "-m", "aiops", "demo", "--once", "--format", "json", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    incident = json.loads(done.stdout)
    assert incident["status"] == "open"
    suspect = incident["suspects"][0]
    assert (suspect["service"], suspect["kind"]) == ("payments", "deploy")
    assert "payments v2.31.0: new card validation" in suspect["reason"]
    assert "payments v2.31.0: new card validation" in [event["description"] for event in incident["events"]]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []  # the demo leaves nothing behind
