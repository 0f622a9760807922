"""A secret that a setting names by its file."""

from __future__ import annotations

from pathlib import Path

from aiops.errors import ConfigError
from aiops.secret import Secret


def read_secret(name: str, base: Path) -> Secret:
    """The text of a file without the white space around it.

    Parameters
    ----------
    base : folder that a relative name starts from

    Raises
    ------
    ConfigError : it cannot be read
    """
    try:
        return Secret((base / name).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the configuration", name, f"cannot be read: {error}") from error
