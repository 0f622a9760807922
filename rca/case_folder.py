"""Cases as folders, so that an incident can be kept, shared and ranked again.

A folder holds

metrics.csv.gz  (or metrics.csv) wide: `time` (unix s), `phase` (normal | abnormal), then one column per series named
                `service|metric`, or `caller>callee|metric` for a call; an empty field is a missing sample
graph.json      {"nodes": [...], "edges": [[caller, callee], ...]}; absent = no graph known
case.json       {"trigger_time", "step_s", "symptom": {"service", "metric", "kind"}}; whatever else it says is not read,
                so an answer written there cannot leak into a ranking
events.json     optional: [{"time", "service", "kind", "description", "url"}, ...]
placement.json  optional: {service: machine or zone it runs on}

In service names `%`, `|` and `>` are written as `%25`, `%7C` and `%3E`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from pathlib import Path
from typing import TypeAlias, cast, get_args

import numpy as np

from rca._base import Case, Change, Column, Symptom, SymptomKind
from rca.graph import ServiceGraph

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_PHASES = {"normal": False, "abnormal": True}
_KINDS = get_args(SymptomKind)
_SPECIAL = {"%": "%25", "|": "%7C", ">": "%3E"}


def read_case(folder: Path) -> Case:
    """Read a case; `name` is the folder's name.

    Raises
    ------
    ValueError : a file is missing or broken; the message names file, key and rule
    """
    head = _read_json(folder / "case.json")
    if not isinstance(head, dict):
        raise _wrong(folder / "case.json", "", "must be an object")
    times, abnormal, columns, values = _read_metrics(folder)
    return Case(
        name=folder.name,
        times=times,
        abnormal=abnormal,
        columns=columns,
        values=values,
        graph=_read_graph(folder / "graph.json"),
        symptom=_symptom(folder / "case.json", head),
        trigger_ms=_milliseconds(folder / "case.json", "trigger_time", head.get("trigger_time")),
        step_s=_positive(folder / "case.json", "step_s", head.get("step_s")),
        changes=_read_changes(folder / "events.json"),
        placement=_read_placement(folder / "placement.json"),
    )


def write_case(case: Case, folder: Path) -> None:
    """Write a case so that `read_case` gives it back; the same case gives the same bytes.

    Raises
    ------
    ValueError : a service or metric name is empty or holds a line break, which the format cannot carry
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.csv.gz").write_bytes(gzip.compress(_metrics_text(case).encode(), mtime=0))
    graph = {"nodes": case.graph.services(), "edges": [[a, b] for a, b, _ in case.graph.edges()]}
    symptom = {"service": case.symptom.service, "metric": case.symptom.metric, "kind": case.symptom.kind}
    head = {"trigger_time": _seconds(case.trigger_ms), "step_s": case.step_s, "symptom": symptom}
    events = [
        {"time": _seconds(c.time_ms), "service": c.service, "kind": c.kind, "description": c.description, "url": c.url}
        for c in case.changes
    ]
    files = {"graph.json": graph, "case.json": head, "events.json": events}
    (folder / "placement.json").unlink(missing_ok=True)
    if case.placement:
        files["placement.json"] = dict(sorted(case.placement.items()))
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _metrics_text(case: Case) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "phase", *(_title(column) for column in case.columns)])
    # The shortest text that reads back as the same number keeps a replayed ranking identical.
    for time_ms, is_abnormal, row in zip(
        case.times.tolist(), case.abnormal.tolist(), case.values.tolist(), strict=True
    ):
        fields = [repr(value) if math.isfinite(value) else "" for value in row]
        writer.writerow([_seconds(time_ms), "abnormal" if is_abnormal else "normal", *fields])
    return out.getvalue()


def _title(column: Column) -> str:
    for name in (column.service, column.metric):
        if not name or "\n" in name or "\r" in name:
            raise ValueError(f"column {column}: service and metric must be non-empty and on one line")
    place = _escaped(column.service) + (f">{_escaped(column.peer)}" if column.peer else "")
    return f"{place}|{column.metric}"


def _escaped(service: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in service)


def _plain(service: str) -> str:
    return service.replace("%3E", ">").replace("%7C", "|").replace("%25", "%")


def _seconds(time_ms: int) -> float | int:
    return time_ms // 1000 if time_ms % 1000 == 0 else time_ms / 1000


def _read_metrics(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[Column, ...], np.ndarray]:
    path = folder / "metrics.csv.gz"
    if not path.exists():
        path = folder / "metrics.csv"
    rows = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        header = next(rows, [])
        if header[:2] != ["time", "phase"]:
            raise _wrong(path, "line 1", f"must begin with time,phase, got {','.join(header[:2])!r}")
        columns = tuple(_column(path, title) for title in header[2:])
        times, abnormal, values = [], [], []
        for row in rows:
            if len(row) != len(header):
                raise _wrong(path, f"line {rows.line_num}", f"must have {len(header)} fields, got {len(row)}")
            times.append(_milliseconds(path, f"line {rows.line_num}: time", row[0]))
            abnormal.append(_phase(path, rows.line_num, row[1]))
            values.append(_numbers(path, rows.line_num, row[2:]))
    except csv.Error as error:
        raise _wrong(path, f"line {rows.line_num}", str(error)) from error
    table = np.array(values, dtype=np.float64).reshape(len(times), len(columns))
    return np.array(times, dtype=np.int64), np.array(abnormal, dtype=np.bool_), columns, table


def _column(path: Path, title: str) -> Column:
    place, bar, metric = title.partition("|")
    service, _, peer = place.partition(">")
    if not (bar and service and metric):
        raise _wrong(path, f"column {title!r}", "must be service|metric or caller>callee|metric")
    return Column(_plain(service), metric, _plain(peer))


def _phase(path: Path, line: int, text: str) -> bool:
    if text not in _PHASES:
        raise _wrong(path, f"line {line}: phase", f"must be normal or abnormal, got {text!r}")
    return _PHASES[text]


def _numbers(path: Path, line: int, fields: list[str]) -> list[float]:
    try:
        return [float(field) if field else math.nan for field in fields]
    except ValueError as error:
        raise _wrong(path, f"line {line}", f"every value must be a number or empty: {error}") from error


def _read_graph(path: Path) -> ServiceGraph:
    if not path.exists():
        return ServiceGraph()
    graph = _read_json(path)
    nodes = graph.get("nodes", []) if isinstance(graph, dict) else None
    edges = graph.get("edges", []) if isinstance(graph, dict) else None
    if not (isinstance(nodes, list) and all(isinstance(node, str) and node for node in nodes)):
        raise _wrong(path, "nodes", "must be a list of names")
    if not (isinstance(edges, list) and all(_is_pair(edge) for edge in edges)):
        raise _wrong(path, "edges", "must be a list of [caller, callee]")
    return ServiceGraph(cast("list[tuple[str, str]]", edges), cast("list[str]", nodes))


def _is_pair(edge: Json) -> bool:
    return isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, str) and end for end in edge)


def _read_placement(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    told = _read_json(path)
    if not isinstance(told, dict):
        raise _wrong(path, "", "must be an object of service: machine")
    for service, machine in told.items():
        if not (isinstance(machine, str) and machine):
            raise _wrong(path, service, f"must be the name of a machine, got {machine!r}")
    return cast("dict[str, str]", told)


def _read_changes(path: Path) -> tuple[Change, ...]:
    if not path.exists():
        return ()
    items = _read_json(path)
    if not isinstance(items, list):
        raise _wrong(path, "", "must be a list of events")
    return tuple(_change(path, place, item) for place, item in enumerate(items))


def _change(path: Path, place: int, item: Json) -> Change:
    if not isinstance(item, dict):
        raise _wrong(path, f"[{place}]", "must be an object")
    words = {key: item.get(key, "") for key in ("service", "kind", "description", "url")}
    for key, word in words.items():
        if not isinstance(word, str) or (key in ("service", "kind") and not word):
            raise _wrong(path, f"[{place}].{key}", f"must be a text, got {word!r}")
    return Change(_milliseconds(path, f"[{place}].time", item.get("time")), **cast("dict[str, str]", words))


def _symptom(path: Path, head: dict[str, Json]) -> Symptom:
    symptom = head.get("symptom")
    if not isinstance(symptom, dict):
        raise _wrong(path, "symptom", "must be an object with service, metric and kind")
    for key in ("service", "metric"):
        if not (isinstance(symptom.get(key), str) and symptom[key]):
            raise _wrong(path, f"symptom.{key}", f"must be a name, got {symptom.get(key)!r}")
    if symptom.get("kind") not in _KINDS:
        raise _wrong(path, "symptom.kind", f"must be one of {', '.join(_KINDS)}, got {symptom.get('kind')!r}")
    return Symptom(str(symptom["service"]), str(symptom["metric"]), cast("SymptomKind", symptom["kind"]))


def _milliseconds(path: Path, key: str, value: Json) -> int:
    seconds = _number(value)
    # int64 milliseconds end 292 million years from now; 1e14 s is far inside and far beyond any real clock.
    if not (math.isfinite(seconds) and abs(seconds) < 1e14):
        raise _wrong(path, key, f"must be unix seconds, got {value!r}")
    return round(seconds * 1000)


def _positive(path: Path, key: str, value: Json) -> float:
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise _wrong(path, key, f"must be a number > 0, got {value!r}")
    return number


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _read_json(path: Path) -> Json:
    try:
        return cast("Json", json.loads(_text(path)))
    except (json.JSONDecodeError, RecursionError) as error:
        raise _wrong(path, "", f"must be JSON: {error}") from error


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, zlib.error) as error:
        raise _wrong(path, "", f"must be readable: {error}") from error
    except UnicodeDecodeError as error:
        raise _wrong(path, "", f"must be UTF-8 text: {error}") from error


def _wrong(path: Path, key: str, rule: str) -> ValueError:
    return ValueError(f"{path}: {key}: {rule}" if key else f"{path}: {rule}")
