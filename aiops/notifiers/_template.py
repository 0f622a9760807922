"""A body of one's own for the webhook: a Jinja template that can only look at the incident."""

from __future__ import annotations

from typing import Any

import msgspec
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aiops import words
from aiops.errors import ConfigError
from aiops.links import incident_url
from aiops.model import Notification

MOST_BYTES = 2**20
"""Longer bodies are a fault of the template: chosen, an incident of 500 members is about as large."""


class TemplateFault(Exception):
    """The template gives no body for this notification; says why."""


class BodyTemplate:
    """A template and the content type of what it gives.

    It is given `key`, `reason`, `created_at`, `url` (the incident's page) and `incident` as in the API. `tojson` writes
    a value as JSON, `clock` says a time for people.

    Parameters
    ----------
    text : the template
    page : where people reach our pages
    sample : a notification that it must give a body for

    Raises
    ------
    ConfigError : it is no template, or fails on the sample; says where
    """

    def __init__(self, text: str, content_type: str, *, page: str, sample: Notification) -> None:
        self.content_type = content_type
        self._page = page
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        environment.filters |= {"clock": _clock, "tojson": _json}
        try:
            self._template = environment.from_string(text)
            self.render(sample)
        except TemplateFault as fault:
            raise ConfigError("webhook", "template_file", f"fails on a sample incident: {fault}") from fault
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise ConfigError("webhook", "template_file", f"line {line}: {error}") from error

    def render(self, notification: Notification) -> bytes:
        """The body for a notification.

        Raises
        ------
        TemplateFault : it has no such value, is endless, or gives no JSON where it says it does
        """
        body = bytearray()
        try:
            for piece in self._template.generate(self._values(notification)):
                body += piece.encode()
                if len(body) > MOST_BYTES:
                    break
        except Exception as error:
            # A template can fail in any way that Python can; its author wants to know in which.
            raise TemplateFault(f"{type(error).__name__}: {error}"[:300]) from error
        if len(body) > MOST_BYTES:
            raise TemplateFault(f"its body is longer than {MOST_BYTES} bytes")
        try:
            if "json" in self.content_type:
                msgspec.json.decode(bytes(body))
        except msgspec.DecodeError as error:
            raise TemplateFault(f"its body is no JSON: {error}") from error
        return bytes(body)

    def _values(self, notification: Notification) -> dict[str, Any]:
        from aiops.web.render import incident_dict

        incident = notification.incident
        return {
            "key": notification.key,
            "reason": notification.reason,
            "created_at": words.moment(notification.created_ms),
            "url": incident_url(self._page, incident.id),
            "incident": incident_dict(incident),
        }


def _json(value: Any) -> str:
    # Jinja's own writes HTML entities for the sake of pages.
    return msgspec.json.encode(value).decode()


def _clock(moment: str) -> str:
    """`2023-11-14T22:13:20Z` as people say it."""
    from datetime import datetime

    return words.clock(round(datetime.fromisoformat(moment).timestamp() * 1000))
