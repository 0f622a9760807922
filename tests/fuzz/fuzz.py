"""Coverage-guided fuzzing of everything that reads bytes of strangers.

`python tests/fuzz/fuzz.py TARGET [--seconds S | --runs N] [--seed N] [--folder DIR]`. A target is a module
`_fuzz_TARGET.py` beside this file with `SEEDS`, some bodies to begin with, and `check(data)`, which raises when
something is wrong. Kernels run uncompiled, so that their branches are seen, and so that a place outside an array is an
error and not a silent read.

What was found worth keeping stays in the folder (`build/fuzz/TARGET`) and is begun with the next time. An input that
fails is written to it as `failed-...` and shown; the exit code is then not 0.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = sorted(path.stem.removeprefix("_fuzz_") for path in Path(__file__).parent.glob("_fuzz_*.py"))
MOST_MIB = 2048
"""Memory of the process; a reader that grows beyond all bounds fails here."""


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=0, help="time; 0 = as many runs as --runs says")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    sys.path.insert(0, str(ROOT))
    import atheris

    with atheris.instrument_imports(include=["aiops.sources"]):
        target = importlib.import_module(f"tests.fuzz._fuzz_{options.target}")
    # Integers wrap in compiled code on purpose; uncompiled, numpy warns of it.
    warnings.simplefilter("ignore", RuntimeWarning)
    folder = options.folder or ROOT / "build" / "fuzz" / options.target
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(target.SEEDS):
        (folder / f"seed-{i}").write_bytes(seed)
    length = f"-max_total_time={options.seconds}" if options.seconds else f"-runs={options.runs}"
    flags = [length, f"-seed={options.seed}", f"-rss_limit_mb={MOST_MIB}", "-timeout=20", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *flags, f"-artifact_prefix={folder}/failed-", str(folder)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
