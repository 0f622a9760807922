"""Dependencies point one way: runners -> app -> machines -> model; detectors and rca stand alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = {"aiops", "detectors", "rca"}
SLOW = {
    "pandas",
    "statsmodels",
    "sklearn",
    "pyarrow",
    "matplotlib",
    "prometheus_api_client",
    "requests",
    "sqlalchemy",
    "alembic",
}
# Inside aiops: what a module of the left side must never import.
FORBIDDEN = {
    "aiops.model": {"aiops"},
    "aiops.errors": {"aiops"},
    "aiops.detection": {"aiops.sources", "aiops.stores", "aiops.notifiers", "aiops.web", "aiops.runners", "aiops.app"},
    "aiops.triage": {"aiops.sources", "aiops.stores", "aiops.notifiers", "aiops.web", "aiops.runners", "aiops.app"},
    "aiops.sources": {"aiops.runners", "aiops.app", "aiops.cli", "aiops.web", "aiops.stores"},
    "aiops.events": {"aiops.runners", "aiops.app", "aiops.cli", "aiops.web", "aiops.stores"},
    "aiops.graphs": {"aiops.runners", "aiops.app", "aiops.cli", "aiops.web", "aiops.stores"},
    "aiops.stores": {"aiops.runners", "aiops.app", "aiops.cli", "aiops.web", "aiops.sources"},
    "aiops.notifiers": {"aiops.runners", "aiops.app", "aiops.cli", "aiops.sources", "aiops.stores"},
    "aiops.web": {"aiops.runners", "aiops.app", "aiops.cli"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("library", ["detectors", "rca"])
def test_the_libraries_know_nothing_of_the_service_or_of_each_other(library):
    others = OWN - {library}
    wrong = {
        module_of(p): hit for p in modules(library) if (hit := {i for i in imports(p) if i.split(".")[0] in others})
    }
    assert not wrong


@pytest.mark.parametrize("left", sorted(FORBIDDEN))
def test_no_import_inside_the_service_points_the_wrong_way(left):
    paths = [p for p in modules("aiops") if within(module_of(p), left)]
    assert paths
    wrong = {
        module_of(p): hit
        for p in paths
        if (hit := {i for i in imports(p) if any(within(i, f) for f in FORBIDDEN[left])})
    }
    assert not wrong


def test_only_the_kafka_runner_may_import_faust():
    users = {module_of(p) for p in modules(*OWN) if any(within(i, "faust") for i in imports(p))}
    assert users <= {"aiops.runners.kafka"}


def test_help_imports_no_slow_library():
    code = f"import sys, aiops.cli; print(sorted({SLOW | {'numba', 'scipy'}!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_the_service_imports_no_slow_library():
    code = f"import sys, aiops.app; print(sorted({SLOW!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
