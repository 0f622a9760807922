"""Figures of the hot path, from the bytes of a sender to scores.

`python tests/benchmarks/bench_hotpath.py [--only PART ...]`. A part is a module `_hotpath_PART.py` beside this file
whose `rows()` measures and gives rows. Rows go to build/bench/hotpath.json.
"""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path

from tests.benchmarks._table import publish

_PREFIX = "_hotpath_"
PARTS = sorted(path.stem.removeprefix(_PREFIX) for path in Path(__file__).parent.glob(f"{_PREFIX}*.py"))


def main() -> None:
    """Run the chosen parts one after the other and publish after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    for part in parser.parse_args().only:
        print(f"\n{part}", flush=True)
        publish("hotpath", importlib.import_module(f"tests.benchmarks.{_PREFIX}{part}").rows())


if __name__ == "__main__":
    main()
