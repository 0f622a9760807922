"""Settings become those of the HTTP side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aiops._secret_file import read_secret
from aiops.config import Settings
from aiops.web._base import WebSettings


def web_settings(settings: Settings, base: Path) -> WebSettings:
    """What can be set about the HTTP side. Raises `ConfigError` when a file that is named cannot be read."""
    one = settings.listen
    web = WebSettings(max_write_bytes=settings.push.max_body_bytes)
    if one.token_file:
        web = replace(web, token=read_secret(one.token_file, base))
    if one.grafana_secret_file:
        web = replace(web, grafana_secret=read_secret(one.grafana_secret_file, base))
    return web
