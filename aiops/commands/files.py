"""`aiops score` and `aiops rank`: the libraries on files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from aiops.commands._progress import progress_bar
from aiops.errors import InputError


def score_file(source: Path, output: Path, *, joint: bool, page_budget: float) -> None:
    """Score the series of a file."""
    from aiops.scoring import score_file as score

    with progress_bar("scoring series") as step:
        score(source, output, joint=joint, page_budget_per_30d=page_budget, progress=step)


def rank_cases(cases: Sequence[Path], output: Path | None) -> None:
    """Rank each case folder and write one JSON line for it.

    Raises
    ------
    InputError : a folder is no case folder; names file, key and rule. Lines of earlier folders are written. Or the
        output cannot be written
    """
    from rca import default_ranker
    from rca.case_folder import read_case
    from rca.report import ranking_line

    ranker = default_ranker()
    try:
        sink = output.open("wb") if output else sys.stdout.buffer
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        with progress_bar("ranking cases", shown=output is not None) as step:
            for done, folder in enumerate(cases, 1):
                try:
                    case = read_case(folder)
                except (ValueError, OSError) as error:
                    raise InputError(str(error)) from error
                started = perf_counter()
                ranking = ranker.rank(case)
                line = ranking_line(folder.resolve().name, ranking, perf_counter() - started)
                sink.write(msgspec.json.encode(line) + b"\n")
                step(done, len(cases))
    finally:
        sink.flush()
        if output:
            sink.close()
