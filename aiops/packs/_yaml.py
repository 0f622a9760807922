"""YAML read strictly: one plain document, no key twice, errors that say where."""

from __future__ import annotations

from pathlib import Path

import yaml

from aiops.errors import ConfigError

MAX_BYTES = 1_000_000
"""A hand-written file is far smaller (chosen)."""


def read_yaml(path: Path) -> object:
    """What a YAML file says, as plain values.

    Raises
    ------
    ConfigError : the file cannot be read, is too large, is not UTF-8, is not YAML, or has a key twice
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_BYTES:
            raise ConfigError(str(path), "", f"must be at most {MAX_BYTES} bytes, is {size_bytes}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "", f"must be UTF-8 text, is not at byte {error.start}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> object:
    r"""What YAML text says, as plain values; `where` names it in errors.

    >>> parse_yaml("edges: {checkout: [payments]}", "graph.yaml")
    {'edges': {'checkout': ['payments']}}
    >>> parse_yaml("a: 1\na: 2", "graph.yaml")
    Traceback (most recent call last):
    aiops.errors.ConfigError: graph.yaml: a: is given twice (line 2)

    Raises
    ------
    ConfigError : not YAML, more than one document, nested too deep, or a key is given twice
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeated_keys(node, where)
        value: object = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(where, "", f"must be YAML: {_reason(error)}") from error
    except (RecursionError, ValueError) as error:
        # PyYAML lets ValueError through for dates that do not exist.
        raise ConfigError(where, "", f"must be YAML: {type(error).__name__}: {error}") from error
    return value


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    return str(error).replace("\n", " ")


def _refuse_repeated_keys(root: yaml.Node, where: str) -> None:
    """Walk each node once: aliases may make a small text an endless tree."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node, where)
            waiting.extend(child for pair in node.value for child in pair)


def _refuse_repeated(node: yaml.MappingNode, where: str) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in names:
            raise ConfigError(where, key.value, f"is given twice (line {key.start_mark.line + 1})")
        names.add(key.value)
