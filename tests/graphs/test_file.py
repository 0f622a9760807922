from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from aiops.errors import ConfigError
from aiops.graphs.file import FileGraph, load_edges


def write(path: Path, text: str, at_s: int) -> None:
    path.write_text(text)
    os.utime(path, (at_s, at_s))


def test_a_file_lists_callees_by_caller(tmp_path: Path):
    path = tmp_path / "graph.yaml"
    path.write_text("edges:\n  shop/checkout: [payments, shop/cart]\n  cart: redis\n  redis: []\n")
    assert load_edges(path) == (("checkout", "payments"), ("checkout", "cart"), ("cart", "redis"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must be a mapping, is empty"),
        ("edges:", "edges: must be a mapping, is empty"),
        ("{}", "edges: must be a mapping, is empty"),
        ("edges: [a]", "edges: must be a mapping, is a list"),
        ("edges: {a: {b: c}}", "edges.a: must be a list of texts, is a mapping"),
        ("edges: {a: [1]}", "edges.a: must be a list of texts, is a list"),
        ("edges: {a: [b, b]}", "edges.a: must not name anything twice"),
        ("edges: {a: ['b/']}", "edges.a: must name services, found 'b/'"),
        ("edges: {no: [a]}", "edges: keys must be text, found False"),
        ("edges: {a: [b]}\nnodes: [c]", "nodes: is not known here; known are edges"),
        ("edges: {a: [b], a: [c]}", "a: is given twice (line 1)"),
        ("edges: {a: [b}", "must be YAML: "),
    ],
)
def test_a_wrong_file_is_told_by_name_key_and_rule(tmp_path: Path, text: str, error: str):
    path = tmp_path / "graph.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="^" + re.escape(f"{path}: {error}")):
        load_edges(path)


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path):
    path = tmp_path / "graph.yaml"
    write(path, "edges: {a: [b]}", 1)
    graph = FileGraph(path)
    assert list(asyncio.run(graph.read(5)).edges()) == [("a", "b", 5)]
    write(path, "edges: {a: [c]}", 1)  # same time, same size: nobody can tell
    assert list(asyncio.run(graph.read(6)).edges()) == [("a", "b", 6)]
    write(path, "edges: {a: [c]}", 2)
    assert list(asyncio.run(graph.read(7)).edges()) == [("a", "c", 7)]


def test_a_file_that_vanished_or_broke_is_an_error_every_time(tmp_path: Path):
    path = tmp_path / "graph.yaml"
    write(path, "edges: {a: [b]}", 1)
    graph = FileGraph(path)
    asyncio.run(graph.read(1))
    write(path, "edges: [", 2)
    for _ in range(2):
        with pytest.raises(ConfigError, match="must be YAML"):
            asyncio.run(graph.read(2))
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        asyncio.run(graph.read(3))
