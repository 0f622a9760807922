"""Socket Mode: Slack's buttons without an address of our own.

slack-sdk's client keeps the connection in threads of its own. Slack ends connections as a matter of course; what was
not acknowledged comes again on the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING

from aiops.errors import InputError
from aiops.notifiers._slack_api import BASE_URL
from aiops.secret import Secret

if TYPE_CHECKING:
    from slack_sdk.socket_mode.builtin import SocketModeClient
    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

log = logging.getLogger(__name__)

ACK_S = 2.5
"""Slack waits three seconds for an acknowledgement."""
LONGEST_S = 300.0
"""Waits between attempts to connect double up to this: Slack allows few of them a minute."""

Take = Callable[[object], Awaitable[None]]


class SlackSocket:
    """Listens to one app.

    Parameters
    ----------
    token : of the app, xapp-..., with the scope connections:write
    take : is given each payload of a button; when it returns, Slack is told that we have it
    well : told why buttons do not work, "" once they do
    watch_s : how often the connection is looked at
    ping_s : between pings; a connection that was cut off is noticed after four of them
    first_s : before connecting is tried for the second time
    patience_s : a connection that is away for so long is told of; shorter gaps are ordinary
    """

    def __init__(
        self,
        token: Secret,
        take: Take,
        *,
        base_url: str = BASE_URL,
        timeout_s: float = 10.0,
        well: Callable[[str], None] = lambda _: None,
        watch_s: float = 1.0,
        ping_s: float = 5.0,
        first_s: float = 1.0,
        patience_s: float = 30.0,
    ) -> None:
        self._token, self._take, self._base_url, self._timeout_s = token, take, base_url, timeout_s
        self._well, self._watch_s, self._ping_s = well, watch_s, ping_s
        self._first_s, self._patience_s = first_s, patience_s

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a connection until `stop` is set."""
        client = await asyncio.to_thread(self._client, asyncio.get_running_loop())
        wait_s, away_s, reason = self._first_s, 0.0, ""
        try:
            while not stop.is_set():
                if client.is_connected():
                    wait_s, away_s = self._first_s, 0.0
                    self._well("")
                    await _either(stop, self._watch_s)
                    continue
                reason = await asyncio.to_thread(_connect, client) or reason
                if client.is_connected():
                    continue
                away_s += wait_s
                if away_s >= self._patience_s:
                    self._well(f"Socket Mode: no connection, buttons do not work ({reason or 'closed at once'})")
                await _either(stop, wait_s)
                wait_s = min(2 * wait_s, LONGEST_S)
        finally:
            await asyncio.to_thread(_close, client)

    def _client(self, loop: asyncio.AbstractEventLoop) -> SocketModeClient:
        from slack_sdk.socket_mode.builtin import SocketModeClient
        from slack_sdk.socket_mode.response import SocketModeResponse

        from aiops.notifiers._slack_client import quiet_client, silent_logger

        web = quiet_client(Secret(""), self._base_url, self._timeout_s)
        client = SocketModeClient(
            self._token.reveal(),
            logger=silent_logger(),
            web_client=web,
            # Ours waits longer and longer; theirs would ask every few seconds for ever.
            auto_reconnect_enabled=False,
            ping_interval=self._ping_s,
            concurrency=2,
        )

        def heard(speaker: BaseSocketModeClient, request: SocketModeRequest) -> None:
            if request.type != "interactive" or self._taken(request.payload, loop):
                speaker.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

        client.socket_mode_request_listeners.append(heard)
        return client

    def _taken(self, payload: object, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether Slack may forget it. Runs in a thread of the client."""

        async def take() -> None:
            await self._take(payload)

        try:
            asyncio.run_coroutine_threadsafe(take(), loop).result(ACK_S)
        except InputError as error:
            log.warning("slack sent what cannot be read reason=%s", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, Slack sends it again
            log.warning("slack button not taken, it comes again reason=%s", type(error).__name__)
            return False
        return True


def _connect(client: SocketModeClient) -> str:
    """Connect; why not, in a word."""
    from slack_sdk.errors import SlackApiError

    try:
        client.connect_to_new_endpoint()
    except SlackApiError as error:
        return str(error.response.get("error", "")) or f"HTTP {error.response.status_code}"
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is tried again; its text may hold a ticket
        return type(error).__name__
    return ""


def _close(client: SocketModeClient) -> None:
    session = client.current_session
    if session is not None and session.sock is not None:
        with suppress(OSError):
            # Its reader looks up every three seconds only: nobody who stops the service should wait for that.
            session.sock.shutdown(SHUT_RDWR)
    client.close()


async def _either(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
