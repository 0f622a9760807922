from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import ConfigError, Reject, Retry
from aiops.notifiers import Receipts
from aiops.notifiers._rest import Rest
from aiops.notifiers.checks import MemoryReceipts, check_notifier
from aiops.notifiers.pagerduty import PagerDutyNotifier
from aiops.secret import Secret
from tests.notifiers._fake_pagerduty import ROUTING_KEY, FakePagerDuty
from tests.notifiers._ticket_story import NOTE, note

KEY = "aiops-0123456789ab"


def made(url, store=None, **more):
    secret = Secret(ROUTING_KEY)
    rest = Rest("pagerduty", url, secrets=[secret], timeout_s=5)
    receipts = Receipts(store or MemoryReceipts(), "pd")
    return PagerDutyNotifier(rest, secret, receipts, **{"page": "https://ops.example", **more})


def run(*steps, **more):
    """Send notifications, each with a notifier of its own; texts are faults before the next one. Gives fake, errors."""

    async def story():
        store, errors = MemoryReceipts(), []
        async with FakePagerDuty() as pagerduty:
            for step in steps:
                if isinstance(step, str):
                    pagerduty.faults.append(step)
                    continue
                one = made(pagerduty.url, store, **more)
                try:
                    await one.send(step)
                except (Retry, Reject) as error:
                    errors.append(error)
                await one.close()
            return pagerduty, errors

    return asyncio.run(story())


def test_it_keeps_to_the_contract_of_notifiers():
    check_notifier(made, secrets=[ROUTING_KEY])


def test_an_incident_pages_once_and_is_resolved():
    pagerduty, _ = run(note("opened"))
    (alert,) = pagerduty.alerts.values()
    payload = alert["payload"]
    assert (payload["summary"], payload["severity"]) == ("checkout: p95 latency 1.9 s", "critical")
    assert (payload["source"], payload["component"], payload["class"]) == ("checkout", "checkout", "latency")
    assert payload["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert payload["custom_details"]["Cause"].startswith("payments")
    assert alert["client_url"] == "https://ops.example/incidents/0123456789ab"
    assert [link["href"] for link in alert["links"]] == [alert["client_url"], "https://ci.example/1?a=b&c=d"]
    pagerduty, errors = run(note("opened"), note("opened"), note("cause changed"), note("flapping"), note("resolved"))
    assert (pagerduty.paged, pagerduty.resolved, errors) == ([KEY], [KEY], [])


def test_news_change_the_details_of_the_open_alert():
    pagerduty, _ = run(note("opened"), note("cause changed"))
    assert pagerduty.alerts[KEY]["payload"]["custom_details"]["news"].startswith("Another cause is more likely now")


def test_changes_are_sent_once_and_page_nobody():
    pagerduty, _ = run(note("opened"), note("cause changed"))
    (change,) = pagerduty.changes
    assert (change["summary"], change["timestamp"]) == ("payments: deploy v2 <b>", "2023-11-14T22:11:40.000Z")
    assert pagerduty.paged == [KEY]
    assert run(note("opened"), changes=False)[0].changes == []


def test_a_change_that_fails_does_not_page_again():
    pagerduty, errors = run("fine", "answer 500", note("opened"), note("opened"))
    assert [str(error)[:19] for error in errors] == ["127.0.0.1: HTTP 500"]
    assert (pagerduty.paged, len(pagerduty.changes)) == ([KEY], 1)


def test_a_change_that_is_refused_is_logged_and_not_in_the_way(caplog):
    pagerduty, errors = run("fine", "answer 404", note("opened"), note("flapping"))
    assert (errors, pagerduty.changes) == ([], [])
    (said,) = [r.getMessage() for r in caplog.records if "change event" in r.getMessage()]
    assert said.startswith("change event refused incident=0123456789ab change=d1 reason=127.0.0.1: HTTP 404")


@pytest.mark.parametrize("fault", ["lost 0", "lost 500", "answer 429"])
def test_an_event_that_may_have_been_taken_is_sent_again_with_the_same_key(fault):
    pagerduty, errors = run(fault, note("opened"), note("opened"))
    assert len(errors) == 1
    assert pagerduty.paged == [KEY]


def test_half_a_megabyte_and_more_is_cut_with_a_mark():
    alert = NOTE.incident.alerts[0]
    events = tuple(
        replace(NOTE.incident.events[0], id=f"d{n}", service="s" * 3000, description="ü" * 9000) for n in range(99)
    )
    huge = replace(
        NOTE.incident,
        title="t" * 100_000,
        alerts=tuple(replace(alert, id=f"e{n}", description='\\"' * 50_000) for n in range(9)),
        events=events,
        services=("x" * 5000,),
    )
    pagerduty, errors = run(replace(note("opened"), incident=huge))
    assert errors == []
    payload = pagerduty.alerts[KEY]["payload"]
    assert len(payload["summary"]) == 1024
    assert "… [cut]" in payload["custom_details"]["Hurts"]
    assert len(pagerduty.changes) == 10


@pytest.mark.parametrize("key", ["short", "x" * 33, "x" * 31 + "\n"])
def test_a_routing_key_that_is_none_is_refused_without_showing_it(key):
    with pytest.raises(ConfigError, match="routing_key_file: must hold 32") as caught:
        PagerDutyNotifier(Rest("pagerduty", "http://h"), Secret(key), Receipts(MemoryReceipts(), "pd"))
    assert key not in str(caught.value)


def test_somebody_may_acknowledge_what_is_open():
    async def story():
        async with FakePagerDuty() as pagerduty:
            one = made(pagerduty.url)
            await one.acknowledge(NOTE.incident, "ann")
            assert pagerduty.acknowledged == []
            await one.send(note("opened"))
            await one.acknowledge(NOTE.incident, "ann")
            await one.close()
            assert pagerduty.acknowledged == [KEY]

    asyncio.run(story())
