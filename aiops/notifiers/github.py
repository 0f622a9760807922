"""Tickets as issues of a GitHub repository.

An issue of ours carries a hidden mark in its body, a comment one in its text; by them they are found again. A label for
each incident would find them too, but it would fill the repository's list of labels.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiops.errors import DeliveryError, Retry
from aiops.model import Notification
from aiops.notifiers._alert import CUT_MARK
from aiops.notifiers._rest import Answer, Rest, retry_after_s
from aiops.notifiers._ticket_text import Section, change, pieces, sections, title

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
TITLE_LIMIT = 256
BODY_LIMIT = 65_536
LAG_MS = 15_000
"""How long a new issue may be missing in the list of issues: chosen, the list is read from replicas."""
_CLOCKS_DIFFER_S = 86_400
"""How far our clock may be ahead of GitHub's: chosen, what is looked for is among the newest rows in any case."""
_PAGE = 100
_MOST_PAGES = 10
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class GithubSettings:
    """How issues are opened.

    Parameters
    ----------
    repository : owner/name
    labels, assignees : of new issues
    page : where people reach our pages
    """

    repository: str
    labels: tuple[str, ...] = ("aiops",)
    assignees: tuple[str, ...] = ()
    page: str = ""


class GithubTracker:
    """Issues of one repository."""

    lag_ms = LAG_MS

    def __init__(self, rest: Rest, settings: GithubSettings) -> None:
        self._rest = rest
        self._settings = settings
        self._issues = f"/repos/{settings.repository}/issues"

    async def create(self, notification: Notification) -> str:
        """Open an issue."""
        incident = notification.incident
        body = {
            "title": title(incident, TITLE_LIMIT),
            "body": markdown(list(sections(incident, self._settings.page)), _mark(incident.id)),
            "labels": list(self._settings.labels),
            "assignees": list(self._settings.assignees),
        }
        answer = await self._call("POST", self._issues, notification, json=body)
        number = answer.body.get("number") if isinstance(answer.body, dict) else None
        return str(number) if isinstance(number, int) else ""

    async def find(self, notification: Notification, since_ms: int) -> str:
        """The issue with the incident's mark, newest issues first."""
        params = {"state": "all", "since": _time(since_ms), "sort": "created", "direction": "desc"}
        found = await self._marked(self._issues, notification, params, _mark(notification.incident.id))
        return str(found["number"]) if found else ""

    async def comment(self, ticket: str, notification: Notification) -> bool:
        """Comment."""
        body = {"body": f"{escaped(change(notification))}\n\n{_mark(notification.key)}"}
        path = f"{self._issues}/{ticket}/comments"
        answer = await self._call("POST", path, notification, json=body, fine=(404, 410))
        return answer.status not in (404, 410)

    async def has_comment(self, ticket: str, notification: Notification, since_ms: int) -> bool:
        """Look for the mark among the comments since then."""
        path, params = f"{self._issues}/{ticket}/comments", {"since": _time(since_ms)}
        return await self._marked(path, notification, params, _mark(notification.key)) is not None

    async def finish(self, ticket: str, notification: Notification) -> None:
        """Close it; one that is closed already stays so."""
        body = {"state": "closed", "state_reason": "completed"}
        await self._call("PATCH", f"{self._issues}/{ticket}", notification, json=body, fine=(404, 410))

    def address(self, ticket: str) -> str:
        """Where people find an issue."""
        site = "https://github.com" if self._rest.host == "api.github.com" else self._rest.url.removesuffix("/api/v3")
        return f"{site}/{self._settings.repository}/issues/{ticket}"

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()

    async def _marked(
        self, path: str, notification: Notification, params: dict[str, str], mark: str
    ) -> dict[str, Any] | None:
        """The first row of a list whose body has the mark."""
        for page in range(1, _MOST_PAGES + 1):
            more = {"per_page": str(_PAGE), "page": str(page)}
            answer = await self._call("GET", path, notification, params=params | more, fine=(404,))
            rows = answer.body if isinstance(answer.body, list) else []
            for row in rows:
                # Pull requests are in the list of issues.
                if mark in str(row.get("body") or "") and "pull_request" not in row:
                    return dict(row)
            if len(rows) < _PAGE:
                return None
        return None

    async def _call(self, method: str, path: str, notification: Notification, **more: Any) -> Answer:
        return await self._rest.call(method, path, headers={"Idempotency-Key": notification.key}, **more)


def limited(answer: Answer, clock: Callable[[], float] = time.time) -> DeliveryError | None:
    """What a refusal means that GitHub gives to those who ask too much; None = it is none of these.

    A primary limit is used up (`x-ratelimit-remaining: 0`, until `x-ratelimit-reset`), or a secondary one
    (`Retry-After`, or else a minute).
    """
    if answer.status not in (_FORBIDDEN, 429):
        return None
    wait_s = retry_after_s(answer.headers.get("retry-after", ""))
    reset = answer.headers.get("x-ratelimit-reset", "")
    if not wait_s and answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        wait_s = max(1.0, int(reset) - clock())
    if not wait_s and "secondary rate limit" in str(answer.body).lower():
        wait_s = 60.0
    if not wait_s and answer.status == _FORBIDDEN:
        return None
    return Retry(f"HTTP {answer.status}: GitHub asks to wait", wait_s, is_limit=True)


def markdown(found: Sequence[Section], mark: str) -> str:
    """Sections as headings with lists, as much as fits, and the hidden mark."""
    parts = [
        (f"### {s.label}\n" if s.label else "") + "\n".join(f"- {escaped(line)}" for line in s.lines) for s in found
    ]
    text, room = "\n\n".join(parts), BODY_LIMIT - len(mark) - len(CUT_MARK) - 2
    return f"{text if len(text) <= room else text[:room] + CUT_MARK}\n\n{mark}"


def escaped(line: str) -> str:
    r"""Text of others without meaning: no markup, no HTML, nobody mentioned and no issue referred to.

    >>> escaped("@ops <b> #1 *x*").replace("\u200b", "|")
    '@|ops &lt;b&gt; #|1 \\*x\\*'
    >>> escaped("+ deployed"), escaped("1. x"), escaped("12 min")
    ('\\+ deployed', '1\\. x', '12 min')
    """
    # What begins a list or a heading.
    line = re.sub(r"^(\d*)([-+#.)])", r"\1\0\2", line)
    return "".join(f"<{piece}>" if is_link else _plain(piece) for piece, is_link in pieces(line)).replace("\0", "\\")


def _plain(line: str) -> str:
    plain = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", plain)
    # GitHub makes mentions and references of the finished text, so a backslash does not help.
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", plain)


def _mark(name: str) -> str:
    # Two hyphens would end the comment.
    return f"<!-- aiops {re.sub(r'[^A-Za-z0-9_.:-]|--+', '_', name)} -->"


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000 - _CLOCKS_DIFFER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
