"""The web server inside a loop that is already running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.applications import Starlette

from aiops.errors import ConfigError
from aiops.web.short_write import ShortWrite, ShortWriteProtocol

log = logging.getLogger(__name__)

GRACE_S = 5.0
"""For requests under way when the server is told to stop; chosen to fit into the 30 s that Kubernetes gives."""

# Longer than a sender's usual pause (remote_write: 5 s at most), so that a connection is not closed as it is used.
_KEEP_ALIVE_S = 75
_BACKLOG = 2048  # uvicorn's own


async def serve(
    app: Starlette,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    listening: Callable[[str, int], None] | None = None,
    grace_s: float = GRACE_S,
) -> None:
    """Serve until `stop` is set or this task is cancelled, then finish the requests under way.

    Signals are left to the caller.

    Parameters
    ----------
    port : 0 = any free one
    listening : told the host and the real port, once connections are taken

    Raises
    ------
    ConfigError : nobody can listen there
    """
    bound = _bind(host, port)
    short: ShortWrite | None = getattr(app.state, "short_write", None)
    config = uvicorn.Config(
        app,
        http="auto" if short is None else partial(ShortWriteProtocol, short=short),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    server = uvicorn.Server(config)
    # uvicorn would take SIGINT and SIGTERM away from the runner, which has more to end than this server.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(server.serve([bound]), name="web server")
    try:
        # The socket queues connections from here on, whether or not the server has come up yet.
        if listening is not None:
            listening(host, bound.getsockname()[1])
        await _first(asyncio.create_task(stop.wait()), task)
    finally:
        server.should_exit = True
        # A cancelled caller still waits for requests under way, up to `grace_s`; cancelled again, it does not.
        await task


async def _first(stopped: asyncio.Task[bool], served: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait([stopped, served], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        rule = f"cannot listen there: {error.strerror or error}; `listen`, or --port of the demo, names another place"
        raise ConfigError("listen", f"{host}:{port}", rule) from None
    bound.set_inheritable(False)
    return bound
