import hashlib
from pathlib import Path

import pytest

import detectors
from detectors import bank, joint

FOLDER = Path(detectors.__file__).parent
PARTS = ("_band", "_bursts", "_calibrate", "_clock", "_marks", "_memory", "_onset", "_pages", "_power", "_surprise")


@pytest.mark.parametrize("module", [bank, joint])
def test_a_kernel_is_compiled_anew_when_a_file_it_is_made_of_changes(module: object) -> None:
    """The cache of compiled kernels is keyed by the text of the file they stand in, not by what it imports."""
    parts = sorted([*PARTS, "level", "scale", "rarity"])
    text = b"".join((FOLDER / f"{part}.py").read_bytes() for part in parts)
    digest = hashlib.sha256(text).hexdigest()[:12]
    assert digest == module.KERNELS, f"write KERNELS = {digest!r} into {module.__name__}"  # type: ignore[attr-defined]
