"""Where compiled kernels are kept: one folder per state of the sources.

numba looks only at the file of the function it is asked for. A kernel that calls another file's kernel would go on
running that file's old code after an edit or an upgrade in place, so the folder is named by all of them together.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("detectors", "rca", "aiops/sources")  # where kernels are; a test holds this to be all of them


def use_own_cache() -> None:
    """Tell numba where to keep what it compiles; must come before numba is imported. An own setting is respected."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(_folder())


def are_compiled() -> bool:
    """Tell whether an earlier start compiled all kernels; one that was interrupted, or another command, left a part."""
    return _mark().is_file()


def say_compiled() -> None:
    """Remember that all kernels are compiled. It is for messages only, so a folder that takes no file is no error."""
    with suppress(OSError):
        _mark().touch()


def sources_digest() -> str:
    """A name for the present state of all files that may hold kernels; about 5 ms."""
    digest = hashlib.blake2b(digest_size=8)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _mark() -> Path:
    """Numba keeps kernels by the path of their file and by its own version: each installation compiles for itself."""
    installation = f"{ROOT} {sys.version} {version('numba')} {version('llvmlite')}"
    name = hashlib.blake2b(installation.encode(), digest_size=8).hexdigest()
    return Path(os.environ.get("NUMBA_CACHE_DIR", "")) / f"all-compiled-{name}"


def _folder() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "aiops-oncall" / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        # A container may have neither a home nor a writable installation; then each container compiles once.
        return Path(tempfile.gettempdir()) / f"aiops-oncall-{os.getuid()}-{folder.name}"
    return folder
