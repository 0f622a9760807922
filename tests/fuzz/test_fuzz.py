"""A short run of every fuzzer, the same each time; `make fuzz` runs them for longer."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS = sorted(path.stem.removeprefix("_fuzz_") for path in HERE.glob("_fuzz_*.py"))
RUNS = 600  # chosen: some seconds each


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target, tmp_path) -> None:
    if importlib.util.find_spec("atheris") is None:
        missing = "atheris is not installed: it has wheels for Linux on x86-64 only"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and CI must run the fuzzers")
        pytest.skip(missing)
    command = [sys.executable, str(HERE / "fuzz.py"), target, "--runs", str(RUNS), "--folder", str(tmp_path)]
    # Coverage of these runs is the fuzzer's own; two tracers in one process would be very slow.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {RUNS} runs" in done.stderr


def test_there_is_a_fuzzer_for_each_reader_of_bytes() -> None:
    assert set(TARGETS) >= {"otlp_protobuf", "otlp_json", "range_answer", "remote_write"}
