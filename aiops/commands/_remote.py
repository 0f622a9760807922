"""Asking a running service: it alone writes to its store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiops.errors import InputError, Unavailable

TIMEOUT_S = 30.0


def ask(method: str, url: str, path: str, *, token_file: Path | None = None, body: object = None) -> Any:
    """The answer of a service to one request, decoded.

    Parameters
    ----------
    url : address of the service, such as http://127.0.0.1:8080
    token_file : file with its bearer token

    Raises
    ------
    InputError : the service refuses; says what it said
    Unavailable : there is no service, or it cannot answer now
    """
    import httpx

    headers = {}
    if token_file is not None:
        try:
            headers["Authorization"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{token_file}: cannot be read: {error}") from error
    try:
        answer = httpx.request(method, url.rstrip("/") + path, headers=headers, json=body, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{url}: no service answers ({type(error).__name__}); `aiops run` starts it") from error
    if answer.status_code >= 500:
        raise Unavailable(f"{url}: {_said(answer)}")
    if answer.status_code >= 400:
        raise InputError(f"{url}: {_said(answer)}")
    return answer.json()


def _said(answer: Any) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
