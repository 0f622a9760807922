"""No row waits for a compiler, and what is told of it neither."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import numpy as np
from aiops.detection.banks import Banks, Wanted
from aiops._kernels import compile_kernels
from detectors import Season, absence, bank, level, light, season

kernels = [bank._run, bank._spoke, level.settle, season._run, season.recall, absence._run]
kernels += [light._run, light._tick, light._narrowed]
compile_kernels()
before = [len(kernel.signatures) for kernel in kernels]
banks = Banks(60.0, 0.0, lambda column: column == 1, 100)
banks.grow(2)
for minute in range(70):
    wanted = Wanted(np.array([True, False]), 1.5) if minute else None
    banks.update(np.array([60_000 * minute]), np.array([[1.0, 2.0]]), np.zeros(2, np.bool_), wanted)
for column in (0, 1):
    banks.spoke(column)
    banks.accept(column)
print(before, [len(kernel.signatures) for kernel in kernels])
"""


def test_what_is_compiled_at_the_start_is_all_that_rows_of_both_banks_need() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[1] * 9} {[1] * 9}\n", done.stderr
