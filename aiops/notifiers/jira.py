"""Tickets in Jira: Cloud (REST API 3, rich text) and Data Center (REST API 2, plain text).

A ticket of ours carries the label `aiops-<incident>`, by which it is found again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from aiops.errors import Reject
from aiops.model import Notification
from aiops.notifiers._adf import document, paragraph
from aiops.notifiers._alert import cut
from aiops.notifiers._rest import Answer, Rest
from aiops.notifiers._ticket_text import Section, change, pieces, sections, title

SUMMARY_LIMIT = 255
DESCRIPTION_LIMIT = 32_767
"""Characters; beyond it Jira answers 400 and uses up the issue's number all the same."""
LAG_MS = 120_000
"""How long a new issue may be missing in a search: chosen, Jira's index usually takes seconds."""
_NEWEST = "50"


@dataclass(frozen=True, slots=True)
class JiraSettings:
    """How tickets are opened and closed.

    Parameters
    ----------
    project, issue_type : key and name
    labels : further labels
    priority : name of a priority by severity; none = Jira's default
    fields : further fields of new issues, as the REST API takes them
    transition : name of the transition, or of the status it leads to, that closes; "" = any to a status that is done
    page : where people reach our pages
    """

    project: str
    issue_type: str = "Task"
    labels: tuple[str, ...] = ()
    priority: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    transition: str = ""
    page: str = ""


class JiraTracker:
    """Issues of one project.

    Parameters
    ----------
    flavour : whose REST API it is
    """

    lag_ms = LAG_MS

    def __init__(self, rest: Rest, settings: JiraSettings, flavour: Literal["cloud", "data center"]) -> None:
        self._rest = rest
        self._settings = settings
        self._is_cloud = flavour == "cloud"
        self._base = "/rest/api/3" if self._is_cloud else "/rest/api/2"

    async def create(self, notification: Notification) -> str:
        """Open an issue."""
        incident, settings = notification.incident, self._settings
        found = list(sections(incident, settings.page))
        body = {
            **settings.fields,
            "project": {"key": settings.project},
            "issuetype": {"name": settings.issue_type},
            "summary": title(incident, SUMMARY_LIMIT),
            "description": document(found, DESCRIPTION_LIMIT) if self._is_cloud else _plain(found),
            "labels": ["aiops", _label(incident.id), *settings.labels],
        }
        if priority := settings.priority.get(incident.severity):
            body["priority"] = {"name": priority}
        answer = await self._call("POST", "/issue", notification, json={"fields": body})
        return str(answer.body.get("key", "")) if isinstance(answer.body, dict) else ""

    async def find(self, notification: Notification, since_ms: int) -> str:
        """The oldest issue with the incident's label; an incident's id is never used again, so its age is no matter."""
        assert since_ms >= 0
        label, project = _label(notification.incident.id), self._settings.project
        jql = f'project = "{project}" AND labels = "{label}" ORDER BY created ASC'
        path = "/search/jql" if self._is_cloud else "/search"
        params = {"jql": jql, "fields": "status", "maxResults": "1"}
        answer = await self._call("GET", path, notification, params=params)
        issues = answer.body.get("issues", []) if isinstance(answer.body, dict) else []
        return str(issues[0]["key"]) if issues else ""

    async def comment(self, ticket: str, notification: Notification) -> bool:
        """Comment; its last line is the key of the notification, by which the comment is found again."""
        said, key = change(notification), f"({notification.key})"
        body: Any = f"{_escaped(said)}\n{key}"
        if self._is_cloud:
            body = {"type": "doc", "version": 1, "content": [paragraph(said), paragraph(key)]}
        path = f"/issue/{quote(ticket, safe='')}/comment"
        answer = await self._call("POST", path, notification, json={"body": body}, fine=(404,))
        return answer.status != 404

    async def has_comment(self, ticket: str, notification: Notification, since_ms: int) -> bool:
        """Look for the key among the newest comments."""
        assert since_ms >= 0
        path = f"/issue/{quote(ticket, safe='')}/comment"
        params = {"orderBy": "-created", "maxResults": _NEWEST}
        answer = await self._call("GET", path, notification, params=params, fine=(404,))
        comments = answer.body.get("comments", []) if isinstance(answer.body, dict) else []
        return any(f"({notification.key})" in str(comment.get("body")) for comment in comments)

    async def finish(self, ticket: str, notification: Notification) -> None:
        """Take the transition that closes.

        Raises
        ------
        Reject : there is none, or it asks for fields
        """
        path = f"/issue/{quote(ticket, safe='')}"
        answer = await self._call("GET", path, notification, params={"fields": "status"}, fine=(404,))
        if (
            not isinstance(answer.body, dict)
            or "fields" not in answer.body
            or _is_done(answer.body["fields"]["status"])
        ):
            return
        answer = await self._call("GET", f"{path}/transitions", notification)
        there = answer.body.get("transitions", [])
        wanted = self._settings.transition.casefold()
        chosen = [t for t in there if wanted in (t["name"].casefold(), t["to"]["name"].casefold())]
        chosen = chosen if wanted else [t for t in there if _is_done(t["to"])]
        if not chosen:
            names = ", ".join(t["name"] for t in there) or "none"
            raise Reject(f"{ticket} cannot be closed: no such transition; from its status there are: {names}")
        body = {"transition": {"id": chosen[0]["id"]}}
        await self._call("POST", f"{path}/transitions", notification, json=body)

    def address(self, ticket: str) -> str:
        """Where people find an issue."""
        return f"{self._rest.url}/browse/{quote(ticket, safe='')}"

    async def close(self) -> None:
        """Close connections."""
        await self._rest.close()

    async def _call(self, method: str, path: str, notification: Notification, **more: Any) -> Answer:
        headers = {"Accept": "application/json", "Idempotency-Key": notification.key}
        # Jira takes a request that a browser could have sent for forged.
        headers["X-Atlassian-Token"] = "no-check"
        return await self._rest.call(method, self._base + path, headers=headers, **more)


def _label(incident_id: str) -> str:
    return f"aiops-{incident_id}"


def _is_done(status: Mapping[str, Any]) -> bool:
    return bool(status.get("statusCategory", {}).get("key") == "done")


def _plain(found: list[Section]) -> str:
    """Sections in the wiki markup of Data Center."""
    text = "\n\n".join(
        (f"h3. {s.label}\n" if s.label else "") + "\n".join(f"* {_escaped(line)}" for line in s.lines) for s in found
    )
    return cut(text, DESCRIPTION_LIMIT)


def _escaped(line: str) -> str:
    """Text of others without meaning to the markup; an address stays a link."""
    found = pieces(line)
    return "".join(piece if is_link else re.sub(r"([\\{}\[\]*_+^~?!|#@-])", r"\\\1", piece) for piece, is_link in found)
