import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rca import Case, Change, Column, ServiceGraph, Symptom
from rca.case_folder import read_case, write_case
from rca.checks import example_case

HEAD = {"trigger_time": 600, "step_s": 60, "symptom": {"service": "shop", "metric": "latency_p95", "kind": "latency"}}


def folder(path: Path, metrics: str, head: object = HEAD, **files: object) -> Path:
    path.mkdir(exist_ok=True)
    (path / "metrics.csv").write_text(metrics)
    (path / "case.json").write_text(json.dumps(head))
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


def same(one: Case, other: Case) -> bool:
    return (
        one.columns == other.columns
        and np.array_equal(one.values, other.values, equal_nan=True)
        and np.array_equal(one.times, other.times)
        and np.array_equal(one.abnormal, other.abnormal)
        and list(one.graph.edges()) == list(other.graph.edges())
        and one.graph.services() == other.graph.services()
        and one.changes == other.changes
        and (one.symptom, one.trigger_ms, one.step_s) == (other.symptom, other.trigger_ms, other.step_s)
    )


def test_a_written_case_reads_back_the_same_numbers(tmp_path: Path) -> None:
    case = example_case()
    case.values[3, 4] = np.nan
    write_case(case, tmp_path / "a")
    back = read_case(tmp_path / "a")
    assert same(case, back)
    assert back.name == "a"


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    write_case(example_case(), tmp_path / "a")
    write_case(example_case(), tmp_path / "b")
    for name in ("metrics.csv.gz", "graph.json", "case.json", "events.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_where_services_run_is_kept_and_its_absence_too(tmp_path: Path) -> None:
    placed = replace(example_case(), placement={"shop": "host-2", "cart": "host-1"})
    write_case(placed, tmp_path)
    assert read_case(tmp_path).placement == placed.placement
    write_case(example_case(), tmp_path)
    assert read_case(tmp_path).placement == {}


def test_names_with_the_formats_own_signs_survive(tmp_path: Path) -> None:
    case = example_case()
    columns = (Column("a>b|c%3E", "latency|p95", "x>y"), Column('ünï, "q"', "m"))
    odd = replace(case, columns=columns, values=case.values[:, :2], graph=ServiceGraph([("a>b|c%3E", "x>y")]))
    write_case(odd, tmp_path)
    assert read_case(tmp_path).columns == columns


def test_milliseconds_and_infinities_are_kept_and_dropped(tmp_path: Path) -> None:
    case = example_case()
    case.times[0] = 1
    case.values[0, 0] = np.inf
    write_case(replace(case, trigger_ms=1_500), tmp_path)
    back = read_case(tmp_path)
    assert (back.times[0], back.trigger_ms) == (1, 1500)
    assert np.isnan(back.values[0, 0])


def test_an_answer_in_the_case_is_never_read(tmp_path: Path) -> None:
    answer = {"root_cause": {"service": "db"}, "group": "x", "fault_key": 3}
    table = "time,phase,shop|m\n0,normal,1\n"
    plain = read_case(folder(tmp_path / "case", table))
    told = read_case(folder(tmp_path / "case", table, {**HEAD, **answer}))
    assert same(plain, told)


def test_plain_text_tables_graphs_and_events_are_read(tmp_path: Path) -> None:
    case = read_case(
        folder(
            tmp_path,
            "time,phase,shop|rps,shop>cart|p50\n0,normal,1,\n60.5,abnormal,,2e3\n",
            graph={"nodes": ["alone"], "edges": [["shop", "cart"]]},
            events=[{"time": 30, "service": "cart", "kind": "deploy", "description": "v2"}],
        )
    )
    assert case.columns == (Column("shop", "rps"), Column("shop", "p50", "cart"))
    assert case.times.tolist() == [0, 60_500]
    assert case.abnormal.tolist() == [False, True]
    assert case.graph.services() == ["alone", "cart", "shop"]
    assert case.changes == (Change(30_000, "cart", "deploy", "v2"),)
    assert case.symptom == Symptom("shop", "latency_p95", "latency")


def test_without_a_graph_file_the_graph_is_empty(tmp_path: Path) -> None:
    assert len(read_case(folder(tmp_path, "time,phase\n")).graph) == 0


TABLE = "time,phase,shop|m\n0,normal,1\n"


@pytest.mark.parametrize(
    ("metrics", "head", "files", "message"),
    [
        ("", HEAD, {}, r"metrics\.csv: line 1: must begin with time,phase"),
        ("time,phase,shop\n", HEAD, {}, r"column 'shop': must be service\|metric"),
        ("time,phase,shop|m\n0,normal\n", HEAD, {}, r"line 2: must have 3 fields, got 2"),
        ("time,phase,shop|m\nx,normal,1\n", HEAD, {}, r"line 2: time: must be unix seconds, got 'x'"),
        ("time,phase,shop|m\n1e300,normal,1\n", HEAD, {}, r"line 2: time: must be unix seconds"),
        ("time,phase,shop|m\n0,odd,1\n", HEAD, {}, r"line 2: phase: must be normal or abnormal, got 'odd'"),
        ("time,phase,shop|m\n0,normal,abc\n", HEAD, {}, r"line 2: every value must be a number"),
        (TABLE, [], {}, r"case\.json: must be an object"),
        (TABLE, {**HEAD, "step_s": 0}, {}, r"step_s: must be a number > 0, got 0"),
        (TABLE, {**HEAD, "step_s": True}, {}, r"step_s: must be a number > 0"),
        (TABLE, {**HEAD, "trigger_time": None}, {}, r"trigger_time: must be unix seconds, got None"),
        (TABLE, {"trigger_time": 1, "step_s": 1}, {}, r"symptom: must be an object"),
        (TABLE, {**HEAD, "symptom": {"service": "", "metric": "m", "kind": "latency"}}, {}, r"symptom\.service"),
        (
            TABLE,
            {**HEAD, "symptom": {"service": "a", "metric": "m", "kind": "x"}},
            {},
            r"symptom\.kind: must be one of",
        ),
        (TABLE, HEAD, {"graph": {"nodes": [1]}}, r"graph\.json: nodes: must be a list of names"),
        (TABLE, HEAD, {"graph": {"edges": [["a"]]}}, r"graph\.json: edges: must be a list of"),
        (TABLE, HEAD, {"graph": []}, r"graph\.json: nodes"),
        (TABLE, HEAD, {"events": {}}, r"events\.json: must be a list"),
        (TABLE, HEAD, {"events": [3]}, r"events\.json: \[0\]: must be an object"),
        (TABLE, HEAD, {"events": [{"time": 1, "kind": "deploy"}]}, r"\[0\]\.service: must be a text"),
        (TABLE, HEAD, {"placement": []}, r"placement\.json: must be an object"),
        (TABLE, HEAD, {"placement": {"shop": 1}}, r"placement\.json: shop: must be the name of a machine, got 1"),
        (TABLE, HEAD, {"events": [{"service": "a", "kind": "deploy"}]}, r"\[0\]\.time: must be unix seconds"),
    ],
)
def test_bad_files_are_refused_by_file_key_and_rule(
    tmp_path: Path, metrics: str, head: object, files: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_case(folder(tmp_path, metrics, head, **files))


def _cut_gzip(path: Path) -> None:
    (path / "metrics.csv.gz").write_bytes(gzip.compress(b"time,phase\n" * 500)[:-9])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_cut_gzip, r"metrics\.csv\.gz: must be readable"),
        (lambda p: (p / "metrics.csv.gz").write_bytes(b"plain"), r"metrics\.csv\.gz: must be readable"),
        (lambda p: (p / "metrics.csv").write_bytes(b"\xff\xfe"), r"metrics\.csv: must be UTF-8 text"),
        (lambda p: (p / "metrics.csv").unlink(), r"metrics\.csv: must be readable"),
        (lambda p: (p / "case.json").unlink(), r"case\.json: must be readable"),
        (lambda p: (p / "case.json").write_text("{"), r"case\.json: must be JSON"),
        (
            lambda p: (p / "metrics.csv").write_text("time,phase," + "x" * 200_000),
            r"metrics\.csv: line \d+: field larger",
        ),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(folder(tmp_path, TABLE))
    with pytest.raises(ValueError, match=message):
        read_case(tmp_path)


@pytest.mark.parametrize("column", [Column("", "m"), Column("a", ""), Column("a\nb", "m")])
def test_names_the_format_cannot_carry_are_refused(tmp_path: Path, column: Column) -> None:
    case = example_case()
    with pytest.raises(ValueError, match="on one line"):
        write_case(replace(case, columns=(column,), values=case.values[:, :1]), tmp_path)
