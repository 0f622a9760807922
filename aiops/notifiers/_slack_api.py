"""Calls of Slack's Web API through slack-sdk, one at a time, at the pace that Slack allows.

Rule 1. One request per call: who tries again is the outbox, not the client.
Rule 2. No redirect is followed: urllib would send the token along.
Rule 3. Neither token nor answer reaches a log or an error, only the method and Slack's own word for what is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiops.errors import DeliveryError, Retry, Unsure
from aiops.notifiers._slack_errors import judged
from aiops.notifiers._slack_message import Message
from aiops.secret import Secret

if TYPE_CHECKING:
    from slack_sdk import WebClient

log = logging.getLogger(__name__)

BASE_URL = "https://slack.com/api/"
PER_CHANNEL_S = 1.05
"""Slack takes about one message a second in a channel; a little more, because its clock is not ours."""
EVENT_TYPE = "aiops_notification"
LOOK_BACK_S = 600
"""How much before our own clock a message is looked for: clocks differ (chosen)."""
PAGE, MOST_PAGES = 100, 5
"""Messages looked through when it is not known whether one was posted: chosen, minutes of a busy channel."""

Answer = Mapping[str, Any]  # any: JSON of another party


class SlackApi:
    """A bot's calls.

    Parameters
    ----------
    token : of the bot, xoxb-...
    base_url : where the API is
    timeout_s : for connecting and each read
    steady : seconds that nobody sets
    sleep : waits so many seconds
    """

    def __init__(
        self,
        token: Secret,
        *,
        base_url: str = BASE_URL,
        timeout_s: float = 10.0,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._token, self._base_url, self._timeout_s = token, base_url, timeout_s
        self._steady, self._sleep = steady, sleep
        self._client: WebClient | None = None
        self._free_s: dict[str, float] = {}

    async def post(self, channel: str, message: Message, key: str, thread_ts: str = "") -> Answer:
        """Post a message. Slack is told the key twice over: as the message's metadata, and as its client's id for it.

        Raises
        ------
        Unsure : it may have been posted
        Retry, Reject : it was not
        """
        await self._pace(channel)
        arguments = {"channel": channel, "unfurl_links": False, "unfurl_media": False, **_content(message, key)}
        arguments |= {"thread_ts": thread_ts, "reply_broadcast": False} if thread_ts else {}
        answer = await self.call("chat.postMessage", arguments | {"client_msg_id": _message_id(key)})
        # Asked for by name, it is known by its id from now on.
        self._free_s[str(answer.get("channel", channel))] = self._free_s[channel]
        return answer

    async def update(self, channel: str, ts: str, message: Message, key: str) -> Answer:
        """Show something else in a message of ours, which from then on has a key that `find` looks for nowhere."""
        return await self.call("chat.update", {"channel": channel, "ts": ts, **_content(message, f"{key}:edit")})

    async def delete(self, channel: str, ts: str) -> Answer:
        """Take a message of ours away."""
        return await self.call("chat.delete", {"channel": channel, "ts": ts})

    async def whisper(self, channel: str, user: str, text: str, thread_ts: str = "") -> Answer:
        """Say something that only one person sees."""
        arguments = {"channel": channel, "user": user, "text": text, "parse": "none"}
        return await self.call("chat.postEphemeral", arguments | ({"thread_ts": thread_ts} if thread_ts else {}))

    async def find(self, channel: str, key: str, since_ms: int, thread_ts: str = "") -> str:
        """Look for the message with a key; its ts, or "" if it is not there or may not be looked for.

        Raises
        ------
        Retry : it cannot be looked for now
        """
        oldest = f"{since_ms / 1000 - LOOK_BACK_S:.6f}"
        asked: dict[str, object] = {"channel": channel, "oldest": oldest, "limit": PAGE, "include_all_metadata": True}
        method = "conversations.replies" if thread_ts else "conversations.history"
        asked |= {"ts": thread_ts} if thread_ts else {}
        for _ in range(MOST_PAGES):
            try:
                answer = await self.call(method, asked, as_form=True)
            except Retry:
                raise
            except DeliveryError as error:
                # Rights to read are optional; without them a crash at the wrong moment may show a message twice.
                log.warning("slack cannot be asked whether a message is there reason=%s", error)
                return ""
            if found := _with_key(answer, key):
                return found
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                break
            asked["cursor"] = cursor
        return ""

    async def upload(self, channel: str, thread_ts: str, *, data: bytes, name: str, title: str) -> None:
        """Put an image into a thread."""
        await self._pace(channel)

        def send(client: WebClient) -> object:
            return client.files_upload_v2(
                channel=channel, thread_ts=thread_ts, content=data, filename=name, title=title, alt_txt=title
            )

        await asyncio.to_thread(self._sent, "files.upload", send)

    async def call(self, method: str, arguments: Mapping[str, object], *, as_form: bool = False) -> Answer:
        """Call a method once. `as_form`: methods that read take no JSON.

        Raises
        ------
        Unsure : no answer came
        Retry, Reject : Slack said no; see `judged`
        """

        def send(client: WebClient) -> object:
            given = dict(arguments)
            return client.api_call(method, params=given) if as_form else client.api_call(method, json=given)

        return await asyncio.to_thread(self._sent, method, send)

    def _sent(self, method: str, send: Callable[[WebClient], object]) -> Answer:
        from http.client import HTTPException
        from socket import gaierror
        from urllib.error import HTTPError, URLError

        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            answer: Any = send(self._opened())
        except SlackApiError as error:
            got = error.response
            raise judged(got.status_code, str(got.get("error", "")), got.headers, method) from None
        except HTTPError as error:
            raise judged(error.code, "", dict(error.headers.items()), method) from None
        except URLError as error:
            if isinstance(error.reason, ConnectionRefusedError | gaierror):
                raise Retry(f"{method}: no connection ({type(error.reason).__name__})") from None
            raise Unsure(f"{method}: no answer ({type(error.reason).__name__})") from None
        except (OSError, HTTPException, ValueError, SlackClientError) as error:
            # Their texts may hold addresses with tickets in them.
            raise Unsure(f"{method}: no answer ({type(error).__name__})") from None
        return answer.data if isinstance(answer.data, dict) else {}

    def _opened(self) -> WebClient:
        if self._client is None:
            from aiops.notifiers._slack_client import quiet_client

            self._client = quiet_client(self._token, self._base_url, self._timeout_s)
        return self._client

    async def _pace(self, channel: str) -> None:
        """Wait until the channel may get another message."""
        now_s = self._steady()
        at_s = max(now_s, self._free_s.get(channel, now_s))
        self._free_s = {name: free_s for name, free_s in self._free_s.items() if free_s > now_s}
        self._free_s[channel] = at_s + PER_CHANNEL_S
        if at_s > now_s:
            await self._sleep(at_s - now_s)


def _content(message: Message, key: str) -> dict[str, object]:
    return {
        "text": message.text,
        # An empty list takes those away that are there, and that is what is meant.
        "blocks": list(message.blocks),
        "parse": "none",
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}},
    }


def _message_id(key: str) -> str:
    from uuid import NAMESPACE_URL, uuid5

    return str(uuid5(NAMESPACE_URL, f"aiops:{key}"))


def _with_key(answer: Answer, key: str) -> str:
    for message in answer.get("messages") or ():
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == EVENT_TYPE and (metadata.get("event_payload") or {}).get("key") == key:
            return str(message.get("ts", ""))
    return ""
