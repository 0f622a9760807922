"""The configuration the demo runs with: what a user with the same exporters would write."""

from __future__ import annotations

from pathlib import Path


def demo_settings_text(port: int, store_path: Path | str) -> str:
    """A configuration as YAML text.

    Parameters
    ----------
    port : for API, page and remote_write; 0 = any free one
    store_path : the SQLite file
    """
    return f"""\
listen:
  port: {port}
push:
  step_s: 60  # the sender has one sample a minute
  packs: [otel_http, servicegraph, kubernetes, rabbitmq]
store:
  path: {str(store_path)!r}
notifiers:
  - kind: console
"""
