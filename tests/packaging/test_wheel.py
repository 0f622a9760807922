"""What is built from the checkout: every file the service reads at run time is in the wheel, and nothing else is."""

import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hatchling.builders.wheel import WheelBuilder

from aiops import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("aiops", "detectors", "rca")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    with zipfile.ZipFile(path) as file:
        yield file


def source_files():
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


def test_the_wheel_holds_each_file_of_the_packages_and_no_other(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == source_files()
    kinds = {PurePosixPath(name).suffix for name in inside}
    assert kinds == {".py", ".yaml", ".html", ".css", ".typed"}, "a new kind of file: say here that it is meant"


@pytest.mark.parametrize("needed", ["packs/go.yaml", "web/templates/overview.html", "web/templates/style.css"])
def test_files_that_are_read_at_run_time_are_there(wheel, needed):
    assert wheel.read(f"aiops/{needed}") == (ROOT / "aiops" / needed).read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_say_that_they_are_typed(wheel, package):
    assert f"{package}/py.typed" in wheel.namelist()


def test_the_command_its_versions_and_its_extras_are_declared(wheel):
    def declared(name):
        (path,) = [one for one in wheel.namelist() if one.endswith(f".dist-info/{name}")]
        return wheel.read(path).decode()

    assert "aiops = aiops.__main__:main" in declared("entry_points.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = declared("METADATA").splitlines()
    assert "Name: aiops-oncall" in metadata
    assert f"Version: {__version__}" in metadata
    assert "Requires-Python: <3.14,>=3.11" in metadata
    assert "License-Expression: Apache-2.0" in metadata
    assert "Apache License" in declared("licenses/LICENSE")
    assert {line.removeprefix("Provides-Extra: ") for line in metadata if line.startswith("Provides-Extra")} == set(
        project["optional-dependencies"]
    )
    required = [line for line in metadata if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert len(required) == len(project["dependencies"])
