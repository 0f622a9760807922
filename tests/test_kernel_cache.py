import os
import re
import subprocess
import sys
from pathlib import Path

from aiops import _kernel_cache
from aiops._kernel_cache import PACKAGES, ROOT, are_compiled, say_compiled, sources_digest, use_own_cache


def test_every_kernel_is_in_a_folder_that_the_name_of_the_cache_is_made_of():
    inside = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    kernels = {
        path
        for package in ("aiops", "detectors", "rca")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^@(numba\.)?njit", path.read_text(), re.MULTILINE)
    }
    assert kernels
    assert kernels <= inside


def test_an_edit_of_any_kernel_file_gives_another_folder(tmp_path, monkeypatch):
    for package in PACKAGES:
        (tmp_path / package).mkdir(parents=True)
    (tmp_path / "rca" / "one.py").write_text("a")
    monkeypatch.setattr(_kernel_cache, "ROOT", tmp_path)
    before = sources_digest()
    (tmp_path / "rca" / "one.py").write_text("b")
    assert sources_digest() != before


def test_an_own_setting_is_respected(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    use_own_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)


def test_kernels_are_all_compiled_only_once_a_start_said_so(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "kernel.nbi").touch()
    assert not are_compiled(), "an interrupted start leaves a part"
    say_compiled()
    assert are_compiled()
    monkeypatch.setattr(_kernel_cache, "ROOT", tmp_path)
    assert not are_compiled(), "another installation compiles for itself"


def test_a_folder_that_takes_no_file_stops_no_start(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "missing"))
    say_compiled()
    assert not are_compiled()


def test_without_a_home_to_write_to_the_cache_is_a_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(_kernel_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    use_own_cache()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path


def test_the_command_sets_the_folder_before_numba_is_there():
    code = """
import os, sys, aiops.__main__
sys.argv = ["aiops", "nothing"]
try:
    aiops.__main__.main()
except SystemExit:
    print(os.environ["NUMBA_CACHE_DIR"], "numba" in sys.modules)
"""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert re.search(r"[0-9a-f]{16} False$", result.stdout.strip())
