from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from aiops.errors import ConfigError
from aiops.notifiers._template import BodyTemplate
from aiops.notifiers.checks import Receiver, check_notifier, example
from aiops.notifiers.webhook import WebhookNotifier

TEXT = """{"text": {{ (incident.title ~ " since " ~ (incident.started_at | clock)) | tojson }},
 "cause": {{ incident.suspects[0].service | tojson }}, "url": {{ url | tojson }}, "id": {{ key | tojson }}}"""


def template(text=TEXT, kind="application/json"):
    return BodyTemplate(text, kind, page="https://ops.example", sample=example())


def sent(notification, made):
    """(content type, body) of what arrives, and how often the template failed."""
    failures = []

    async def story():
        async with Receiver() as receiver:
            one = WebhookNotifier(receiver.url, template=made, failed=lambda: failures.append(1))
            await one.send(notification)
            await one.close()
        return receiver.requests[0]

    request = asyncio.run(story())
    return request.headers["content-type"], request.body, len(failures)


def test_it_keeps_to_the_contract_of_notifiers():
    check_notifier(lambda url: WebhookNotifier(url, template=template(), timeout_s=5))


def test_a_template_makes_the_body_and_quotes_what_others_have_written():
    note = replace(example(), incident=replace(example().incident, title='"}\n<ö>'))
    kind, body, failures = sent(note, template())
    assert (kind, failures) == ("application/json", 0)
    assert json.loads(body) == {
        "text": '"}\n<ö> since 14 Nov 22:13 UTC',
        "cause": "payments",
        "url": "https://ops.example/incidents/0123456789ab",
        "id": note.key,
    }


def test_other_kinds_of_text_are_sent_as_they_are():
    kind, body, _ = sent(example(), template("{{ reason }}: {{ incident.title }}", "text/plain; charset=utf-8"))
    assert (kind, body) == ("text/plain; charset=utf-8", b"opened: checkout: p95 latency 1.9 s")


def test_a_template_that_fails_on_an_incident_is_counted_and_the_usual_body_is_sent(caplog):
    bare = replace(example(), incident=replace(example().incident, ranking=type(example().incident.ranking)()))
    kind, body, failures = sent(bare, template())
    assert (kind, failures) == ("application/json", 1)
    assert json.loads(body)["incident"]["id"] == "0123456789ab"
    assert "template failed, the usual body is sent key=0123456789ab:opened:hook" in caplog.text
    assert "has no element 0" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("{{ nope }}", "fails on a sample incident: UndefinedError: 'nope' is undefined"),
        ("{{ incident.titel }}", "no attribute 'titel'"),
        ("{{ incident.title }}", "its body is no JSON"),
        ("{{ incident.__class__.__mro__ }}", "SecurityError"),
        ("{{ incident.services.append('x') }}", "SecurityError"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "longer than 1048576 bytes"),
        ("{% include '/etc/passwd' %}", "no loader for this environment"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)
def test_a_template_with_a_fault_is_refused_at_the_start_with_the_reason(text, said):
    with pytest.raises(ConfigError, match=r"webhook: template_file: ") as caught:
        template(text)
    assert said in str(caught.value)
