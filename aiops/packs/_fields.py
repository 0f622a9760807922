"""A mapping read strictly: each value is asked for by name and type, and what nobody asked for is an error."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiops.errors import ConfigError


class Fields:
    """The keys of one YAML mapping.

    Parameters
    ----------
    value : what stands in the file
    where : name of the file, for errors
    key : path of the mapping inside the file, "" for the top

    Raises
    ------
    ConfigError : here if `value` is no mapping with text keys; later if a value is missing or of the wrong kind

    >>> fields = Fields({"form": "rate"}, "pack.yaml")
    >>> fields.text("form"), fields.number("q", 0.95)
    ('rate', 0.95)
    """

    def __init__(self, value: object, where: str, key: str = "") -> None:
        self.where = where
        self.key = key
        self._asked: set[str] = set()
        if not isinstance(value, dict):
            raise ConfigError(where, key, f"must be a mapping, is {_shown(value)}")
        for name in value:
            if not isinstance(name, str):
                raise ConfigError(where, key, f"keys must be text, found {_shown(name)}")
        self._data: dict[str, object] = value

    def path(self, name: str) -> str:
        """The full path of a key."""
        return f"{self.key}.{name}" if self.key else name

    def error(self, name: str, rule: str) -> ConfigError:
        """An error about one key."""
        return ConfigError(self.where, self.path(name) if name else self.key, rule)

    def names(self) -> list[str]:
        """All keys that are given."""
        return list(self._data)

    def get(self, name: str) -> object:
        """The value of a key as it stands, None if it is not given."""
        self._asked.add(name)
        return self._data.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def text(self, name: str, default: str | None = None, choices: Sequence[str] = ()) -> str:
        """A non-empty text, one of `choices` if there are any."""
        value = self._given(name, default)
        if not isinstance(value, str) or (not value.strip() and value != default):
            raise self.error(name, f"must be text, is {_shown(value)}")
        if choices and value not in choices:
            raise self.error(name, f"must be one of {', '.join(choices)}, is {_shown(value)}")
        return value.strip()

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of texts; a single text stands for a list of one."""
        value = self._given(name, default)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) and item for item in items):
            raise self.error(name, f"must be a list of texts, is {_shown(value)}")
        if len(set(items)) != len(items):
            raise self.error(name, "must not name anything twice")
        return tuple(items)

    def number(self, name: str, default: float | None = None, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in [low, high]."""
        value = self._given(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            # YAML 1.1 reads 1e-3 as text: only 1.0e-3 is a number.
            raise self.error(name, f"must be a number such as 0.001, is {_shown(value)}")
        if not low <= value <= high:
            raise self.error(name, f"must be between {low:g} and {high:g}, is {value:g}")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._given(name, default)
        if not isinstance(value, bool):
            raise self.error(name, f"must be true or false, is {_shown(value)}")
        return value

    def items(self, name: str) -> list[object]:
        """A list of anything, empty if not given."""
        value = self._given(name, ())
        if not isinstance(value, list | tuple):
            raise self.error(name, f"must be a list, is {_shown(value)}")
        return list(value)

    def finish(self) -> None:
        """Refuse keys nobody has asked for."""
        for name in self._data:
            if name not in self._asked:
                raise self.error(name, f"is not known here; known are {', '.join(sorted(self._asked))}")

    def _given(self, name: str, default: object) -> object:
        self._asked.add(name)
        if name in self._data:
            return self._data[name]
        if default is None:
            raise self.error(name, "is missing")
        return default


def _shown(value: object) -> str:
    """A value for an error message: its kind, and its start if it is short and plain."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        return f"a {'mapping' if isinstance(value, dict) else 'list'}"
    return repr(value)[:60]
