"""What `explain` says of why a service is suspected."""

from __future__ import annotations

from aiops.model import Incident
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from rca import Evidence, Ranking, Suspect

T0 = 1_700_000_000_000
EVIDENCE = (
    Evidence("change", 0.9, "deployed 2 min before", (("minutes", 2.0), ("of", 1e-7))),
    Evidence("saturation", -0.25, "its database is as busy as always"),
)
SUSPECTS = (
    Suspect("db", "latency_p95", 3.0, 0.83, "deploy", "it was deployed", ("db", "cart"), EVIDENCE),
    *(Suspect(name, None, 1.0, 0.05, reason=f"because of {name}", path=(name,)) for name in ("one", "two", "three")),
)


def explained(aiops, tmp_path, ranking):
    path = tmp_path / "s.sqlite"
    store = open_sqlite(path)
    store.commit(Cycle([Incident("i1", "open", "cart is slow", "critical", T0, T0, T0, ranking=ranking)]))
    store.close()
    result = aiops("explain", "i1", "--store", path)
    assert result.exit_code == 0, result.exception
    return result.stdout.splitlines()


def test_each_of_the_first_three_suspects_comes_with_its_reason_path_and_evidence(aiops, tmp_path):
    lines = explained(aiops, tmp_path, Ranking(SUSPECTS, unknown=False))
    first = lines.index("db: 83% sure, deploy")
    assert lines[first : first + 5] == [
        "db: 83% sure, deploy",
        "  it was deployed",
        "  path: db > cart",
        "  +0.90 change: deployed 2 min before (minutes 2, of 1e-07)",
        "  -0.25 saturation: its database is as busy as always",
    ]
    assert "one: 5% sure, unknown" in lines
    assert "  because of two" in lines
    assert "  because of three" not in lines
    assert sum(line.startswith("  path:") for line in lines) == 1  # a path of one says nothing


def test_what_the_ranker_notes_is_told_as_it_stands(aiops, tmp_path):
    lines = explained(aiops, tmp_path, Ranking(notes=("only [2 of 9] services give metrics",)))
    assert "note: only [2 of 9] services give metrics" in lines
