"""Where compiled kernels are kept: one folder per state of the sources.

numba looks only at the file of the function it is asked for. A kernel that calls another file's kernel would go on
running that file's old code after an edit or an upgrade in place, so the folder is named by all of them together.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("detectors", "rca", "aiops/sources")  # where kernels are; a test holds this to be all of them


def use_own_cache() -> None:
    """Tell numba where to keep what it compiles; must come before numba is imported. An own setting is respected."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(_folder())


def are_compiled() -> bool:
    """Tell whether an earlier start left compiled kernels behind."""
    return any(Path(os.environ.get("NUMBA_CACHE_DIR", "")).glob("**/*.nbi"))


def sources_digest() -> str:
    """A name for the present state of all files that may hold kernels; about 5 ms."""
    digest = hashlib.blake2b(digest_size=8)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _folder() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "aiops-oncall" / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        # A container may have neither a home nor a writable installation; then each container compiles once.
        return Path(tempfile.gettempdir()) / f"aiops-oncall-{os.getuid()}-{folder.name}"
    return folder
