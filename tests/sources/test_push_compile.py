"""No request waits for a compiler."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
from aiops.sources import _pushed_cells as cells, _pushed_series as table, _wire_scan as wire
from aiops.sources.push import compile_kernels
from aiops.demo.encode import HEADERS, encode
from aiops.sources.remote_write import decode
from tests.sources._push_wall import T0, Wall, read, series, source_at

kernels = [cells.scatter, cells.rates, cells.levels, cells.joined, cells.quantiles, table._touch, wire.scan]
compile_kernels()
before = [len(kernel.signatures) for kernel in kernels]
wall = Wall(T0 + 300_000, [None, None])
source = source_at(wall)
times = [(T0 + i * 20_000, float(i)) for i in (3, 1, 2, 9)]
body = encode([(series(name, job="a"), times) for name in ("level", "hits_total", "other")])
source.offer(decode(body, HEADERS, known=source.known))
assert read(source)
print(before, [len(kernel.signatures) for kernel in kernels])
"""


def test_what_is_compiled_at_the_start_is_all_that_a_request_needs() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[1] * 7} {[1] * 7}\n", done.stderr
