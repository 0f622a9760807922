"""A Slack that answers on 127.0.0.1 as strictly as the real one: it refuses what that refuses, in its words.

Time is given: its rate limits never depend on how fast the machine is. `faults` are what it does instead of answering.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_socket import Sockets

READS = {"conversations.history", "conversations.replies", "auth.test"}
SCOPES = frozenset({"chat:write", "files:write", "channels:history", "groups:history"})
NEEDED = {
    **dict.fromkeys(("chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral"), "chat:write"),
    **dict.fromkeys(("files.getUploadURLExternal", "files.completeUploadExternal"), "files:write"),
    **dict.fromkeys(("conversations.history", "conversations.replies"), "channels:history"),
}


class Refusal(Exception):
    """`{"ok": false, "error": ...}`."""


@dataclass
class Fault:
    """Instead of an answer. `after`: it is done, but nobody is told. `status` 0: the connection is closed."""

    status: int = 0
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False


@dataclass
class Channel:
    name: str
    member: bool = True
    archived: bool = False


class FakeSlack:
    """One workspace with channels, messages and files."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.clock = clock
        self.channels = {"C0ALERTS": Channel("alerts"), "C0PAY": Channel("payments")}
        self.tokens: dict[str, frozenset[str]] = {"xoxb-good": SCOPES}
        self.app_tokens = {"xapp-good"}
        self.users = {"U0ANNA", "U0BEN"}
        self.messages: list[dict] = []
        self.whispers: list[dict] = []
        self.calls: list[tuple[str, dict]] = []
        self.faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self.limited = True
        self._files: dict[str, dict] = {}
        self._last_s: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self.sockets = Sockets()
        self._server: ThreadingHTTPServer | None = None

    # -- what a test sees

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/"

    def seen(self, channel: str = "C0ALERTS") -> list[dict]:
        """Messages of a channel, without threads, in order."""
        return [m for m in self.messages if m["channel"] == channel and not m.get("thread_ts")]

    def thread(self, ts: str) -> list[dict]:
        return [m for m in self.messages if m.get("thread_ts") == ts]

    def duplicates(self) -> int:
        """Messages that a person sees for the second time: the same key, posted again."""
        keys = [(m["channel"], m["posted_key"]) for m in self.messages if "posted_key" in m]
        return len(keys) - len(set(keys))

    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def remove(self, ts: str) -> None:
        """Somebody deletes a message; its thread goes out of sight with it."""
        self.messages = [m for m in self.messages if ts not in (m["ts"], m.get("thread_ts"))]

    # -- serving

    def __enter__(self) -> Self:
        slack = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                slack.serve(self)

            def do_GET(self) -> None:
                slack.sockets.serve(self)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self.sockets.end()
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        with self._lock:
            if request.path.startswith("/upload/"):
                status, headers, answer = self._take_file(request.path.rsplit("/", 1)[1], body)
            else:
                status, headers, answer = self._answer(request, body)
        request.close_connection = True
        if not status:
            return
        data = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data)), "Connection": "close"}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], object]:
        method = request.path.rsplit("/", 1)[1]
        try:
            arguments = self._arguments(method, request.headers.get("Content-Type", ""), body)
            fault = self.faults[method].popleft() if self.faults[method] else None
            self.calls.append((method, arguments))
            if fault and not fault.after:
                return self._fault(fault)
            self._permit(method, request.headers.get("Authorization", ""))
            answer = self._done(method, arguments)
            if fault:
                return self._fault(fault)
        except Refusal as refusal:
            said = str(refusal)
            if said == "ratelimited":
                return 429, {"Retry-After": "1"}, {"ok": False, "error": said}
            return 200, {}, {"ok": False, "error": said}
        return 200, {}, {"ok": True, **answer}

    @staticmethod
    def _fault(fault: Fault) -> tuple[int, dict[str, str], object]:
        if fault.error:
            return 200, {}, {"ok": False, "error": fault.error}
        return fault.status, fault.headers, b"<html>proxy says no</html>" if fault.status else b""

    @staticmethod
    def _arguments(method: str, kind: str, body: bytes) -> dict:
        if kind.startswith("application/x-www-form-urlencoded"):
            return {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        if not kind.startswith("application/json"):
            raise Refusal("invalid_post_type")
        if method in READS:
            # JSON is not read there: it is as if nothing had been said.
            return {}
        return json.loads(body) if body else {}

    def _permit(self, method: str, authorization: str) -> None:
        token = authorization.removeprefix("Bearer ")
        if method == "apps.connections.open":
            if not token.startswith("xapp-"):
                raise Refusal("not_allowed_token_type")
            if token not in self.app_tokens:
                raise Refusal("invalid_auth")
            return
        if not token:
            raise Refusal("not_authed")
        if token not in self.tokens:
            raise Refusal("token_revoked" if token.startswith("xoxb-") else "invalid_auth")
        if method in NEEDED and NEEDED[method] not in self.tokens[token]:
            raise Refusal("missing_scope")

    # -- methods

    def _done(self, method: str, given: dict) -> dict:
        known = {
            "apps.connections.open": lambda _: {"url": self.sockets.address(self.url)},
            "auth.test": lambda _: {"team_id": "T1", "user_id": "UBOT"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._whisper,
            "conversations.history": self._history,
            "conversations.replies": self._history,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete,
        }
        if method not in known:
            raise Refusal("unknown_method")
        return known[method](given)

    def _channel(self, given: dict, key: str = "channel") -> str:
        name = given.get(key)
        if not name:
            raise Refusal("channel_not_found")
        ids = [i for i, c in self.channels.items() if name in (i, c.name, f"#{c.name}")]
        if not ids:
            raise Refusal("channel_not_found")
        channel = self.channels[ids[0]]
        if channel.archived:
            raise Refusal("is_archived")
        if not channel.member:
            raise Refusal("not_in_channel")
        return ids[0]

    @staticmethod
    def _content(given: dict) -> dict:
        blocks, text = given.get("blocks", []), given.get("text", "")
        if not text and not blocks:
            raise Refusal("no_text")
        if not text:
            raise AssertionError("a message without a text for phones and screen readers")
        if len(text) > 40_000:
            raise Refusal("msg_too_long")
        if rules.faults(blocks):
            raise Refusal("invalid_blocks")
        metadata = given.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            raise Refusal("invalid_metadata_format")
        return {"text": text, "blocks": blocks, "metadata": metadata, "mentions": rules.mentions(text, blocks)}

    def _post(self, given: dict) -> dict:
        channel = self._channel(given)
        now_s = self.clock()
        if self.limited and now_s - self._last_s.get(channel, -10.0) < 1.0:
            raise Refusal("ratelimited")
        content = self._content(given)
        self._last_s[channel] = now_s
        message = {"ts": self._ts(), "channel": channel, **content}
        message["posted_key"] = content["metadata"]["event_payload"]["key"]
        if parent := given.get("thread_ts"):
            # A parent that is gone makes it a message of its own, without a word.
            message |= {"thread_ts": parent} if any(m["ts"] == parent for m in self.messages) else {}
            if given.get("reply_broadcast"):
                raise AssertionError("a reply for the whole channel")
        self.messages.append(message)
        return {"channel": channel, "ts": message["ts"], "message": _public(message)}

    def _ts(self) -> str:
        return f"{self.clock():.0f}.{next(self._numbers):06d}"

    def _find(self, given: dict) -> dict:
        channel = self._channel(given)
        if channel != given["channel"]:
            raise Refusal("channel_not_found")
        found = [m for m in self.messages if m["channel"] == channel and m["ts"] == given.get("ts")]
        if not found:
            raise Refusal("message_not_found")
        return found[0]

    def _update(self, given: dict) -> dict:
        message = self._find(given)
        message.update(self._content(given), edits=message.get("edits", 0) + 1)
        return {"channel": message["channel"], "ts": message["ts"], "message": _public(message)}

    def _delete(self, given: dict) -> dict:
        self.remove(self._find(given)["ts"])
        return {}

    def _whisper(self, given: dict) -> dict:
        self._channel(given)
        if given.get("user") not in self.users:
            raise Refusal("user_not_in_channel")
        if not given.get("text"):
            raise Refusal("no_text")
        self.whispers.append(given)
        return {"message_ts": self._ts()}

    def _history(self, given: dict) -> dict:
        channel, oldest = self._channel(given), float(given.get("oldest", "0"))
        with_metadata = given.get("include_all_metadata") in ("1", "true")
        inside = [m for m in self.messages if m["channel"] == channel and float(m["ts"]) > oldest]
        inside = [m for m in inside if m.get("thread_ts") == given.get("ts") or m["ts"] == given.get("ts")]
        start, size = int(given.get("cursor", "0")), min(int(given.get("limit", "100")), 999)
        page = [_public(m) if with_metadata else _public(m) | {"metadata": None} for m in inside[start : start + size]]
        more = str(start + size) if len(inside) > start + size else ""
        return {"messages": page, "response_metadata": {"next_cursor": more}}

    def _upload_url(self, given: dict) -> dict:
        if not given.get("filename") or int(given.get("length", "0")) <= 0:
            raise Refusal("invalid_arguments")
        name = f"F{next(self._numbers):06d}"
        self._files[name] = {"length": int(given["length"]), "data": b"", "alt": given.get("alt_txt", "")}
        return {"file_id": name, "upload_url": self.url.replace("/api/", f"/upload/{name}")}

    def _take_file(self, name: str, body: bytes) -> tuple[int, dict[str, str], object]:
        if name not in self._files or len(body) != self._files[name]["length"]:
            return 400, {}, b"no"
        self._files[name]["data"] = body
        return 200, {}, f"OK - {len(body)}".encode()

    def _complete(self, given: dict) -> dict:
        files = given.get("files")
        files = json.loads(files) if isinstance(files, str) else files
        if not files or any(not self._files.get(f["id"], {}).get("data") for f in files):
            raise Refusal("file_not_found")
        channel = self._channel(given, "channel_id")
        for one in files:
            message = {"ts": self._ts(), "channel": channel, "file": self._files[one["id"]]["data"], "metadata": None}
            message |= {
                "text": one.get("title", ""),
                "blocks": [],
                "alt": self._files[one["id"]]["alt"],
                "mentions": [],
            }
            message |= {"thread_ts": given["thread_ts"]} if given.get("thread_ts") else {}
            self.messages.append(message)
        return {"files": [{"id": one["id"]} for one in files]}


def _public(message: dict) -> dict:
    return {k: v for k, v in message.items() if k in ("ts", "text", "blocks", "thread_ts", "metadata")}
