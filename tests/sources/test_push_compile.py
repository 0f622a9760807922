"""No request waits for a compiler."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
from aiops.sources import _fingerprint as prints, _pushed_cells as cells, _pushed_waiting as waiting
from aiops.sources import _series_index as index, _snappy as snappy, _wire_scan as wire, _wire_scan_v2 as wire_v2
from aiops.sources.push import compile_kernels
from aiops.demo.encode import HEADERS, encode
from tests.sources._push_wall import T0, Wall, read, series, source_at

kernels = [cells.scatter, cells.rates, cells.levels, cells.joined, cells.quantiles, waiting.sift, waiting._part]
kernels += [prints.fingerprint_of_list, index._find_all, index._place_all, index._remove]
kernels += [snappy.unpack_block, wire.scan, wire_v2.scan_symbols, wire_v2.scan_v2]
compile_kernels()
before = [len(kernel.signatures) for kernel in kernels]
wall = Wall(T0 + 300_000, [None, None])
source = source_at(wall)
times = [(T0 + i * 20_000, float(i)) for i in (3, 1, 2, 9)]
body = encode([(series(name, job="a"), times) for name in ("level", "hits_total", "other")])
source.write(body, HEADERS)
assert read(source)
print(before, [len(kernel.signatures) for kernel in kernels])
"""


def test_what_is_compiled_at_the_start_is_all_that_a_request_needs() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[1] * 15} {[1] * 15}\n", done.stderr
