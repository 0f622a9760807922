from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from aiops.errors import NotYet, Reject, Retry
from aiops.notifiers import Receipts
from aiops.notifiers._adf import document
from aiops.notifiers._rest import Rest, basic
from aiops.notifiers._ticket_text import Section, change
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.checks import MemoryReceipts, check_notifier
from aiops.notifiers.jira import DESCRIPTION_LIMIT, LAG_MS, JiraSettings, JiraTracker
from aiops.notifiers.only import OnlyNotifier, Rule
from aiops.secret import Secret
from rca import Ranking
from tests.notifiers._fake_jira import FakeJira, text_of
from tests.notifiers._ticket_story import NOTE, note, told

SETTINGS = JiraSettings("OPS", labels=("shop",), priority={"critical": "High"}, page="https://ops.example")
CREATE = ("POST", "/rest/api/3/issue")


def tracker(settings=SETTINGS, flavour="cloud"):
    def make(url):
        token = Secret("t0k3n")
        header = basic("ops@example.com", token) if flavour == "cloud" else f"Bearer {token.reveal()}"
        rest = Rest("jira", url, headers={"Authorization": header}, secrets=[token], timeout_s=5)
        return JiraTracker(rest, settings, flavour)

    return make


def run(story, settings=SETTINGS, flavour="cloud", **more):
    return told(FakeJira(flavour), tracker(settings, flavour), story, **more)


def test_it_keeps_to_the_contract_of_notifiers():
    def make(url):
        return TicketNotifier(tracker()(url), Receipts(MemoryReceipts(), "t"), lambda: 1, closes=True)

    check_notifier(
        make, secrets=["t0k3n"], body=b'{"id": "10000", "key": "OPS-24", "self": "https://x"}', taken=(200, 201)
    )


@pytest.mark.parametrize("flavour", ["cloud", "data center"])
def test_a_ticket_is_opened_told_what_changed_and_closed(flavour):
    async def story(jira, desk):
        receipt = await desk.send(note("opened"))
        assert receipt.reference == "OPS-1"
        (issue,) = jira.issues.values()
        fields = issue["fields"]
        assert (fields["summary"], fields["priority"]) == ("checkout: p95 latency 1.9 s", {"name": "High"})
        assert fields["labels"] == ["aiops", "aiops-0123456789ab", "shop"]
        text = text_of(fields["description"])
        for said in ("Hurts", "payments", "https://ops.example/incidents/0123456789ab", "https://ci.example/1?a=b&c=d"):
            assert said in text.replace("\\", "")
        jira.index()
        await desk.send(note("cause changed", 1))
        await desk.send(note("resolved"))
        comments = [text_of(c["body"]) for c in issue["comments"]]
        assert [c.replace("\\", "").splitlines()[0].split(" (")[0] for c in comments] == [
            "Another cause is more likely now: payments, 80% sure: deployed",
            "Resolved after 12 min.",
        ]
        assert issue["status"] == "Done"

    run(story, flavour=flavour)


def test_the_same_again_is_no_second_ticket_comment_or_transition():
    async def story(jira, desk):
        for reason in ("opened", "opened", "flapping", "flapping", "resolved", "resolved"):
            await desk.send(note(reason))
        assert len(jira.issues) == 1
        assert len(jira.issues["OPS-1"]["comments"]) == 2
        assert [path.rpartition("/")[2] for _, path in jira.writes()] == ["issue", "comment", "comment", "transitions"]

    run(story)


@pytest.mark.parametrize("fault", ["lost 0", "lost 500", "lost 504"])
def test_a_ticket_that_may_have_been_created_is_waited_for_in_the_search_and_not_created_again(fault):
    async def story(jira, desk):
        jira.faults = [fault]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        for _ in range(3):
            desk.now_ms += 20_000
            with pytest.raises(NotYet, match="lags behind") as caught:
                await desk.send(note("opened"))
            assert caught.value.at_ms == desk.now_ms + 15_000
        jira.index()
        assert (await desk.send(note("opened"))).reference == "OPS-1"
        assert jira.writes() == [CREATE]

    run(story)


def test_one_that_was_not_created_is_after_the_lag():
    async def story(jira, desk):
        jira.faults = ["answer 503"]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        desk.now_ms += LAG_MS - 1
        with pytest.raises(NotYet):
            await desk.send(note("opened"))
        desk.now_ms += 1
        jira.faults = ["fine", "answer 429"]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        await desk.send(note("opened"))
        assert len(jira.issues) == 1
        searches = [asked for asked in jira.asked if asked.path.endswith("/search/jql")]
        assert len(searches) == 3, "a refusal for now does not make an earlier doubt go away"

    run(story)


def test_a_clock_set_back_makes_it_wait_anew_rather_than_create_twice():
    async def story(jira, desk):
        jira.faults = ["lost 0"]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        desk.now_ms -= 3_600_000
        with pytest.raises(NotYet):
            await desk.send(note("opened"))
        desk.now_ms += LAG_MS
        jira.index()
        await desk.send(note("opened"))
        assert jira.writes() == [CREATE]

    run(story)


@pytest.mark.parametrize(("fault", "kind"), [("answer 429", Retry), ("answer 400", Reject)])
def test_a_ticket_that_was_surely_not_created_is_created_without_a_search(fault, kind):
    async def story(jira, desk):
        jira.faults = [fault]
        with pytest.raises(kind):
            await desk.send(note("opened"))
        await desk.send(note("opened"))
        assert [asked.method for asked in jira.asked] == ["POST", "POST"]
        assert len(jira.issues) == 1

    run(story)


@pytest.mark.parametrize("fault", ["lost 0", "answer 500"])
def test_a_comment_that_may_be_there_is_looked_for(fault):
    async def story(jira, desk):
        await desk.send(note("opened"))
        jira.faults = [fault]
        with pytest.raises(Retry):
            await desk.send(note("flapping"))
        await desk.send(note("flapping"))
        assert len(jira.issues["OPS-1"]["comments"]) == 1

    run(story)


def test_a_transition_that_failed_is_tried_again_without_another_comment():
    async def story(jira, desk):
        await desk.send(note("opened"))
        jira.faults = ["fine", "fine", "fine", "lost 0"]
        with pytest.raises(Retry):
            await desk.send(note("resolved"))
        await desk.send(note("resolved"))
        assert (len(jira.issues["OPS-1"]["comments"]), jira.issues["OPS-1"]["status"]) == (1, "Done")

    run(story)


def test_a_transition_is_chosen_by_its_name_or_by_the_status_it_leads_to():
    async def story(jira, desk):
        await desk.send(note("opened"))
        await desk.send(note("resolved"))
        assert jira.issues["OPS-1"]["status"] == "In Progress"

    for name in ("start", "In progress"):
        run(story, replace(SETTINGS, transition=name))


def test_without_a_transition_that_closes_the_reason_names_those_there_are():
    async def story(jira, desk):
        jira.transitions = {"To Do": [("11", "Start", "In Progress")]}
        await desk.send(note("opened"))
        with pytest.raises(Reject, match=r"OPS-1 cannot be closed: no such transition.*there are: Start"):
            await desk.send(note("resolved"))
        assert len(jira.issues["OPS-1"]["comments"]) == 1, "the end is said all the same"

    run(story)


def test_closing_can_be_left_to_people():
    async def story(jira, desk):
        await desk.send(note("opened"))
        await desk.send(note("resolved"))
        assert (len(jira.issues["OPS-1"]["comments"]), jira.issues["OPS-1"]["status"]) == (1, "To Do")

    run(story, closes=False)


def test_a_ticket_that_somebody_deleted_or_nobody_opened_is_left_alone():
    async def story(jira, desk):
        assert (await desk.send(note("resolved"))).left_out == "over, and no ticket was opened"
        await desk.send(note("opened"))
        jira.issues.clear()
        assert (await desk.send(note("flapping"))).left_out == "somebody has deleted its ticket"
        count = len(jira.asked)
        assert (await desk.send(note("resolved"))).left_out == "somebody has deleted its ticket"
        assert len(jira.asked) == count

    run(story)


def test_what_jira_says_of_a_refusal_is_passed_on():
    async def story(jira, desk):
        with pytest.raises(Reject, match="valid project is required"):
            await desk.send(note("opened"))

    run(story, replace(SETTINGS, project="NOPE"))


@pytest.mark.parametrize("flavour", ["cloud", "data center"])
def test_a_hundred_kilobytes_are_cut_with_a_mark_before_jira_uses_up_a_number(flavour):
    async def story(jira, desk):
        alert = NOTE.incident.alerts[0]
        alerts = tuple(replace(alert, id=f"e{n}", description=f'"\\{n}\n' * 20_000) for n in range(5))
        huge = replace(NOTE.incident, title="t " * 60_000, alerts=alerts * 20)
        await desk.send(replace(note("opened"), incident=huge))
        (issue,) = jira.issues.values()
        assert issue["key"] == "OPS-1"
        assert "[cut]" in issue["fields"]["summary"]
        assert "[cut]" in text_of(issue["fields"]["description"]).replace("\\", "")

    run(story, flavour=flavour)


def test_lines_that_do_not_fit_are_counted():
    many = Section("Hurts", tuple(f"{n:02} {'é' * 2000}" for n in range(30)))
    found = document([Section("", ("first",)), many, Section("Read on", ("https://x/1",))], DESCRIPTION_LIMIT)
    assert len(json.dumps(found, ensure_ascii=False).encode()) <= DESCRIPTION_LIMIT
    kept = text_of(found).count("é" * 2000)
    assert text_of(found).endswith(f"… [cut]: {31 - kept} more lines, see the incident's page")
    assert document([], 1000)["content"], "an empty document is refused"


def test_a_change_without_a_suspect_is_said_all_the_same():
    unknown = replace(NOTE, reason="cause changed", incident=replace(NOTE.incident, ranking=Ranking()))
    assert change(unknown) == "Cause changed: checkout: p95 latency 1.9 s"


def test_text_of_others_has_no_meaning_to_the_markup_of_data_center():
    async def story(jira, desk):
        alert = replace(NOTE.incident.alerts[0], description="{code} [~ann] h1. *b* !x.png!")
        await desk.send(replace(note("opened"), incident=replace(NOTE.incident, alerts=(alert,))))
        text = jira.issues["OPS-1"]["fields"]["description"]
        assert r"\{code\} \[\~ann\] h1. \*b\* \!x.png\!" in text

    run(story, flavour="data center")


def test_somebody_may_ask_for_a_ticket_and_gets_the_one_there_is():
    async def story(jira, desk):
        receipts = Receipts(desk.store, "t")
        one = TicketNotifier(tracker()(jira.url), receipts, lambda: desk.now_ms, closes=True)
        limited = OnlyNotifier(one, Rule(nothing=True), receipts)
        assert (await limited.send(note("opened"))).left_out == "not for incidents"
        asked = [await one.open(NOTE.incident) for _ in range(2)]
        assert asked == [("OPS-1", f"{jira.url}/browse/OPS-1")] * 2
        await limited.send(note("resolved"))
        assert (len(jira.issues), jira.issues["OPS-1"]["status"]) == (1, "Done")
        jira.issues.clear()
        await limited.send(note("flapping"))
        with pytest.raises(Reject, match="somebody has deleted its ticket"):
            await one.open(NOTE.incident)
        await one.close()

    run(story)


def test_a_click_while_the_ticket_is_being_opened_makes_no_second_one():
    async def story(jira, desk):
        one = TicketNotifier(tracker()(jira.url), Receipts(desk.store, "t"), lambda: desk.now_ms, closes=True)
        await asyncio.gather(one.send(note("opened")), one.open(NOTE.incident), one.open(NOTE.incident))
        assert len(jira.issues) == 1
        await one.close()

    run(story)
