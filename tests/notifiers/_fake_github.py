"""A GitHub that knows issues of one repository, and refuses what GitHub refuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from tests.notifiers._fake_service import Asked, FakeService, Said

BODY_LIMIT = 65_536


class FakeGithub(FakeService):
    """Issues of acme/shop. `now_ms` is when things are created."""

    def __init__(self, now_ms: int, **more: Any) -> None:
        super().__init__(**more)
        self.now_ms = now_ms
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}

    def too_many(self) -> Said:
        """The secondary limit: a 403, not a 429."""
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return Said(403, {"message": text}, {"Retry-After": "60"})

    def answer(self, asked: Asked) -> Said:
        if not asked.headers.get("user-agent"):
            return Said(403, {"message": "Request forbidden by administrative rules."})
        if asked.headers.get("authorization") != "Bearer ghp_t0k3n":
            return Said(401, {"message": "Bad credentials"})
        if asked.headers.get("accept") != "application/vnd.github+json":
            return Said(415, {"message": "Unsupported 'Accept' header"})
        if asked.headers.get("x-github-api-version") != "2022-11-28":
            return Said(400, {"message": "Invalid API version"})
        found = re.fullmatch(r"/repos/acme/shop/issues(?:/(\d+)(/comments)?)?", asked.path)
        if not found:
            return Said(404, {"message": "Not Found"})
        if found[1] is None:
            return self._create(asked.body) if asked.method == "POST" else self._list(asked, [*self.issues.values()])
        number = int(found[1])
        if number not in self.issues:
            return Said(410, {"message": "This issue was deleted"})
        return self._one(asked, number, is_comment=bool(found[2]))

    def _create(self, body: dict[str, Any]) -> Said:
        if not body.get("title") or len(body["title"]) > 256:
            return _invalid("title")
        if len(body.get("body", "")) > BODY_LIMIT:
            return _invalid("body is too long (maximum is 65536 characters)")
        if any(len(label) > 50 for label in body.get("labels", [])):
            return _invalid("label")
        if body.get("assignees", []) not in ([], ["ann"]):
            return _invalid("assignees")
        number = len(self.issues) + 1
        self.issues[number] = {**self._new(body), "number": number, "state": "open"}
        self.comments[number] = []
        return Said(201, self.issues[number])

    def _new(self, body: dict[str, Any]) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**body, "created_at": at, "updated_at": at}

    def _one(self, asked: Asked, number: int, *, is_comment: bool) -> Said:
        if is_comment and asked.method == "POST":
            if not asked.body.get("body") or len(asked.body["body"]) > BODY_LIMIT:
                return _invalid("body")
            self.comments[number].append(self._new(asked.body))
            return Said(201, self.comments[number][-1])
        if is_comment:
            return self._list(asked, self.comments[number])
        if asked.method != "PATCH" or asked.body.get("state") not in ("open", "closed"):
            return _invalid("state")
        if asked.body.get("state_reason") not in ("completed", "not_planned", "reopened", None):
            return _invalid("state_reason")
        self.issues[number] |= asked.body
        return Said(200, self.issues[number])

    def _list(self, asked: Asked, rows: list[dict[str, Any]]) -> Said:
        size, page = int(asked.query.get("per_page", ["30"])[0]), int(asked.query.get("page", ["1"])[0])
        if size > 100:
            return _invalid("per_page")
        since = asked.query.get("since", [""])[0]
        if since and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", since):
            return _invalid("since")
        state = asked.query.get("state", ["open"])[0]
        rows = rows[::-1] if asked.query.get("direction") == ["desc"] else rows
        found = [r for r in rows if r["updated_at"] >= since and state in ("all", r.get("state", state))]
        return Said(200, found[(page - 1) * size : page * size])


def _invalid(field: str) -> Said:
    return Said(422, {"message": "Validation Failed", "errors": [{"resource": "Issue", "field": field}]})
