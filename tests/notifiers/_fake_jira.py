"""A Jira, Cloud or Data Center, that refuses what Jira refuses. Its search lags behind until `index` is called."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from tests.notifiers._fake_service import Asked, FakeService, Said

LIMIT = 32_767
KNOWN_FIELDS = {"project", "issuetype", "summary", "description", "labels", "priority", "components", "assignee"}
TRANSITIONS = {
    "To Do": [("11", "Start", "In Progress"), ("21", "Close", "Done")],
    "In Progress": [("21", "Close", "Done")],
    "Done": [("31", "Reopen", "To Do")],
}


class FakeJira(FakeService):
    """Issues of the project OPS."""

    def __init__(self, flavour: str = "cloud", **more: Any) -> None:
        super().__init__(**more)
        self.is_cloud = flavour == "cloud"
        basic = base64.b64encode(b"ops@example.com:t0k3n").decode()
        self.authorization = f"Basic {basic}" if self.is_cloud else "Bearer t0k3n"
        self.base = "/rest/api/3" if self.is_cloud else "/rest/api/2"
        self.issues: dict[str, dict[str, Any]] = {}
        self.transitions = TRANSITIONS
        self._number = 0
        self._indexed: set[str] = set()

    def index(self) -> None:
        """Let the search catch up."""
        self._indexed = set(self.issues)

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != self.authorization:
            return Said(401, {"errorMessages": ["You are not authenticated."], "errors": {}})
        if asked.method == "POST" and asked.headers.get("content-type") != "application/json":
            return Said(415, None)
        if asked.path == "/rest/api/3/search":
            return Said(410, {"errorMessages": ["The requested API has been removed. Use /rest/api/3/search/jql"]})
        if asked.path == f"{self.base}{'/search/jql' if self.is_cloud else '/search'}" and asked.method == "GET":
            return self._search(asked)
        if asked.path == f"{self.base}/issue" and asked.method == "POST":
            return self._create(asked.body)
        found = re.fullmatch(rf"{self.base}/issue/([A-Z]+-\d+)(/comment|/transitions)?", asked.path)
        if not found or found[1] not in self.issues:
            return _refused(404, "Issue does not exist or you do not have permission to see it.")
        return self._issue(asked, self.issues[found[1]], found[2] or "")

    def _create(self, body: Any) -> Said:
        fields = body.get("fields", {})
        # The number is used up whatever comes of it.
        self._number += 1
        if faults := self._faults(fields):
            return Said(400, {"errorMessages": [], "errors": faults})
        key = f"OPS-{self._number}"
        self.issues[key] = {"key": key, "fields": fields, "status": "To Do", "comments": []}
        return Said(201, {"id": str(10_000 + self._number), "key": key, "self": f"{self.url}/rest/api/3/issue/1"})

    def _faults(self, fields: dict[str, Any]) -> dict[str, str]:
        faults = {name: f"Field '{name}' cannot be set." for name in set(fields) - KNOWN_FIELDS}
        if fields.get("project") != {"key": "OPS"}:
            faults["project"] = "valid project is required"
        if fields.get("issuetype") not in ({"name": "Task"}, {"name": "Bug"}):
            faults["issuetype"] = "Specify a valid issue type"
        summary = fields.get("summary", "")
        if not summary.strip() or "\n" in summary or len(summary) > 255:
            faults["summary"] = (
                "The summary is invalid because it is empty, contains newlines or is over 255 characters."
            )
        if any(" " in label or len(label) > 255 for label in fields.get("labels", [])):
            faults["labels"] = "The label contains spaces which is invalid."
        if fields.get("priority", {"name": "High"}) not in ({"name": "High"}, {"name": "Low"}):
            faults["priority"] = "The priority selected is invalid."
        if fault := self._text_fault(fields.get("description")):
            faults["description"] = fault
        return faults

    def _text_fault(self, value: Any) -> str:
        if not self.is_cloud:
            return "" if isinstance(value, str) and len(value) <= LIMIT else "CONTENT_LIMIT_EXCEEDED"
        if not isinstance(value, dict):
            return "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        if len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) > LIMIT:
            return "CONTENT_LIMIT_EXCEEDED"
        return "" if _is_document(value) else "INVALID_INPUT"

    def _search(self, asked: Asked) -> Said:
        jql = asked.query["jql"][0]
        found = re.fullmatch(r'project = "(\w+)" AND labels = "([\w-]+)" ORDER BY created ASC', jql)
        if not found or "fields" not in asked.query:
            return _refused(400, "Error in the JQL Query")
        keys = [k for k in self.issues if k in self._indexed and found[2] in self.issues[k]["fields"]["labels"]]
        return Said(200, {"issues": [{"id": "1", "key": key, "fields": {}} for key in keys], "isLast": True})

    def _issue(self, asked: Asked, issue: dict[str, Any], part: str) -> Said:
        if part == "/comment" and asked.method == "POST":
            body = asked.body.get("body")
            if fault := self._text_fault(body):
                return Said(400, {"errorMessages": [], "errors": {"comment": fault}})
            issue["comments"].append({"id": str(len(issue["comments"])), "body": body})
            return Said(201, issue["comments"][-1])
        if part == "/comment":
            assert asked.query["orderBy"] == ["-created"]
            return Said(200, {"comments": issue["comments"][::-1][: int(asked.query["maxResults"][0])]})
        if part == "/transitions" and asked.method == "GET":
            return Said(200, {"transitions": [_transition(*t) for t in self.transitions[issue["status"]]]})
        if part == "/transitions":
            chosen = [t for t in self.transitions[issue["status"]] if t[0] == asked.body["transition"]["id"]]
            if not chosen:
                return _refused(400, "It is not possible to perform this transition")
            issue["status"] = chosen[0][2]
            return Said(204)
        return Said(200, {"key": issue["key"], "fields": {"status": _status(issue["status"])}})


def _refused(status: int, text: str) -> Said:
    return Said(status, {"errorMessages": [text], "errors": {}})


def _status(name: str) -> dict[str, Any]:
    key = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}[name]
    return {"name": name, "statusCategory": {"key": key}}


def _transition(number: str, name: str, to: str) -> dict[str, Any]:
    return {"id": number, "name": name, "to": _status(to)}


def _is_document(node: dict[str, Any]) -> bool:
    """The part of the format that we use; everything else is refused."""
    if set(node) != {"type", "version", "content"} or (node["type"], node["version"]) != ("doc", 1):
        return False
    return bool(node["content"]) and all(map(_is_block, node["content"]))


def _is_block(node: dict[str, Any]) -> bool:
    if node["type"] == "paragraph":
        return all(map(_is_text, node["content"]))
    if node["type"] == "heading":
        return node["attrs"]["level"] in range(1, 7) and all(map(_is_text, node["content"]))
    if node["type"] != "bulletList" or not node["content"]:
        return False
    items = node["content"]
    return all(i["type"] == "listItem" and i["content"][0]["type"] == "paragraph" for i in items) and all(
        _is_block(child) for i in items for child in i["content"]
    )


def _is_text(node: dict[str, Any]) -> bool:
    marks = node.get("marks", [])
    has_links = all(m["type"] == "link" and m["attrs"]["href"].startswith("http") for m in marks)
    return node["type"] == "text" and bool(node["text"]) and has_links


def text_of(node: Any) -> str:
    """All text of a document, in the order in which it is read."""
    if isinstance(node, str):
        return node
    return node.get("text", "") + " ".join(text_of(child) for child in node.get("content", []))
