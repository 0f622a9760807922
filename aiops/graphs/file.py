"""The service graph as somebody wrote it down.

```yaml
edges:
  checkout: [payments, cart]
  cart: redis
```
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiops.errors import ConfigError
from aiops.graphs._base import named
from aiops.packs._fields import Fields
from aiops.packs._yaml import read_yaml
from rca import ServiceGraph

Edges = tuple[tuple[str, str], ...]


def load_edges(path: Path) -> Edges:
    """All (caller, callee) of a file, in its order.

    Raises
    ------
    ConfigError : naming file, key and rule
    """
    fields = Fields(read_yaml(path), str(path))
    calls = Fields(fields.get("edges"), str(path), "edges")
    fields.finish()
    return tuple(
        (_service(calls, caller, caller), _service(calls, caller, callee))
        for caller in calls.names()
        for callee in calls.texts(caller)
    )


class FileGraph:
    """A graph from a YAML file, read again when the file has changed."""

    whole = True

    def __init__(self, path: Path) -> None:
        self.name = f"file {path.name}"
        self._path = path
        self._edges: Edges = ()
        self._version: tuple[int, int] | None = None

    async def read(self, now_ms: int) -> ServiceGraph:
        """The graph of the file as it is now."""
        await asyncio.to_thread(self._reread)
        return ServiceGraph(self._edges, seen_ms=now_ms)

    def _reread(self) -> None:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise ConfigError(str(self._path), "", f"cannot be read: {error.strerror or error}") from error
        version = (stat.st_mtime_ns, stat.st_size)
        if version != self._version:
            self._edges = load_edges(self._path)
            self._version = version


def _service(calls: Fields, caller: str, written: str) -> str:
    name = named(written.strip())
    if not name:
        raise calls.error(caller, f"must name services, found {written[:60]!r}")
    return name
