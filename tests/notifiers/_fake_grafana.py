"""A Grafana that knows annotations, and refuses what Grafana refuses."""

from __future__ import annotations

import json
from typing import Any

from tests.notifiers._fake_service import Asked, FakeService, Said

TOKEN = "glsa_t0k3n"  # noqa: S105 - of the fake
TAGS_LENGTH_LIMIT = 500
"""Default of `[annotations] tags_length_limit`: the tags as JSON."""
TAG_LENGTH_LIMIT = 100
"""Of each half of a `key:value` tag: the width of the columns of table `tag`."""


class FakeGrafana(FakeService):
    """Organisation annotations by id."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.may_delete = True
        self.annotations: dict[int, dict[str, Any]] = {}
        self._next = 1

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Said(401, {"message": "Unauthorized"})
        place, _, number = asked.path.removeprefix("/api/annotations").partition("/")
        if not asked.path.startswith("/api/annotations") or place:
            return Said(404, {"message": "Not found"})
        if not number:
            return self._find(asked) if asked.method == "GET" else self._create(asked)
        if not number.isdigit() or int(number) not in self.annotations:
            return Said(404, {"message": "Annotation not found"})
        return self._one(asked, int(number))

    def _create(self, asked: Asked) -> Said:
        body = asked.body
        if asked.method != "POST" or not isinstance(body, dict):
            return Said(400, {"message": "bad request data"})
        if not body.get("text"):
            return Said(400, {"message": "Failed to save annotation", "error": "text field should not be empty"})
        if fault := _fault(body):
            return Said(400, {"message": fault})
        made = {"tags": [], **body, "timeEnd": body.get("timeEnd", body["time"]), "id": self._next}
        self.annotations[self._next] = made
        self._next += 1
        return Said(200, {"message": "Annotation added", "id": made["id"]})

    def _one(self, asked: Asked, number: int) -> Said:
        if asked.method == "DELETE":
            if not self.may_delete:
                return Said(403, {"message": "You'll need additional permissions: annotations:delete"})
            del self.annotations[number]
            return Said(200, {"message": "Annotation deleted"})
        if asked.method != "PATCH":
            return Said(404, {"message": "Not found"})
        # Other fields are silently left alone by Grafana; ours must not rely on that.
        if set(asked.body) - {"text", "tags", "time", "timeEnd"}:
            return Said(400, {"message": f"cannot patch {sorted(asked.body)}"})
        changed = {**self.annotations[number], **asked.body}
        if fault := _fault(changed):
            return Said(400, {"message": fault})
        self.annotations[number] = changed
        return Said(200, {"message": "Annotation patched"})

    def _find(self, asked: Asked) -> Said:
        tags = set(asked.query.get("tags", []))
        start, end = (int(asked.query.get(name, ["0"])[0]) for name in ("from", "to"))
        limit = int(asked.query.get("limit", ["100"])[0])
        found = [a for a in self.annotations.values() if tags <= set(a["tags"])]
        # Both ends or neither: one alone is no range to Grafana.
        if start > 0 and end > 0:
            found = [a for a in found if a["time"] <= end and a["timeEnd"] >= start]
        return Said(200, sorted(found, key=lambda a: -a["timeEnd"])[:limit])


def _fault(body: dict[str, Any]) -> str:
    for name in ("time", "timeEnd"):
        value = body.get(name, body["time"])
        if not isinstance(value, int) or not 1_000_000_000_000 < value < 10_000_000_000_000:
            return f"{name} is no time in milliseconds: {value!r}"
    if body.get("timeEnd", body["time"]) < body["time"]:
        return "timeEnd is before time"
    tags = body.get("tags", [])
    size = len(json.dumps(tags, ensure_ascii=False, separators=(",", ":")).encode())
    if size > TAGS_LENGTH_LIMIT:
        return f"Tags length ({size}) exceeds the maximum allowed ({TAGS_LENGTH_LIMIT})"
    if any(len(half) > TAG_LENGTH_LIMIT for tag in tags for half in tag.split(":", 1)):
        return "value too long for type character varying(100)"
    return ""
