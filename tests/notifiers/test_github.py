from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.errors import NotYet, Reject, Retry
from aiops.notifiers import Receipts
from aiops.notifiers._rest import Answer, Rest
from aiops.notifiers._ticket_text import Section
from aiops.notifiers._tickets import TicketNotifier
from aiops.notifiers.checks import MemoryReceipts, check_notifier
from aiops.notifiers.github import HEADERS, LAG_MS, GithubSettings, GithubTracker, limited, markdown
from tests.notifiers._fake_github import BODY_LIMIT, FakeGithub
from tests.notifiers._ticket_story import NOTE, START_MS, note, told

SETTINGS = GithubSettings("acme/shop", labels=("aiops", "incident"), assignees=("ann",), page="https://ops.example")
CREATE = ("POST", "/repos/acme/shop/issues")


def tracker(url):
    headers = {"Authorization": "Bearer ghp_t0k3n", **HEADERS}
    return GithubTracker(Rest("github", url, headers=headers, timeout_s=5, judge=limited), SETTINGS)


def run(story, **more):
    return told(FakeGithub(START_MS), tracker, story, **more)


def test_it_keeps_to_the_contract_of_notifiers():
    def make(url):
        return TicketNotifier(tracker(url), Receipts(MemoryReceipts(), "t"), lambda: 1, closes=True)

    check_notifier(make, secrets=["ghp_t0k3n"], body=b'{"number": 7}', taken=(200, 201))


def test_an_issue_is_opened_told_what_changed_and_closed():
    async def story(github, desk):
        receipt = await desk.send(note("opened"))
        assert receipt.reference == "1"
        issue = github.issues[1]
        assert (issue["title"], issue["labels"]) == ("checkout: p95 latency 1.9 s", ["aiops", "incident"])
        for said in ("### Hurts", "### Cause", "<https://ops.example/incidents/0123456789ab>"):
            assert said in issue["body"]
        assert issue["body"].endswith("<!-- aiops 0123456789ab -->")
        await desk.send(note("cause changed", 1))
        await desk.send(note("resolved"))
        assert [c["body"].splitlines()[0] for c in github.comments[1]] == [
            "Another cause is more likely now: payments, 80% sure: deployed",
            "Resolved after 12 min.",
        ]
        assert (issue["state"], issue["state_reason"]) == ("closed", "completed")

    run(story)


def test_the_same_again_is_no_second_issue_or_comment():
    async def story(github, desk):
        for reason in ("opened", "opened", "flapping", "flapping", "resolved", "resolved"):
            await desk.send(note(reason))
        assert (len(github.issues), len(github.comments[1])) == (1, 2)

    run(story)


@pytest.mark.parametrize("fault", ["lost 0", "lost 502"])
def test_an_issue_that_may_have_been_created_is_found_by_its_mark_among_others(fault):
    async def story(github, desk):
        github.faults = [fault]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        mine = github.issues[1]
        other = mine | {"body": "<!-- aiops 0123456789ac -->"}
        request = mine | {"pull_request": {}}
        github.issues = {151: mine | {"number": 151}, 150: request | {"number": 150}}
        github.issues |= {n: other | {"number": n} for n in range(2, 150)}
        assert (await desk.send(note("opened"))).reference == "151"
        assert github.writes() == [CREATE]

    run(story)


def test_one_that_was_not_created_is_after_the_lag():
    async def story(github, desk):
        github.faults = ["answer 502"]
        with pytest.raises(Retry):
            await desk.send(note("opened"))
        with pytest.raises(NotYet):
            await desk.send(note("opened"))
        desk.now_ms += LAG_MS
        await desk.send(note("opened"))
        assert len(github.issues) == 1

    run(story)


@pytest.mark.parametrize("fault", ["lost 0", "answer 500"])
def test_a_comment_that_may_be_there_is_looked_for(fault):
    async def story(github, desk):
        await desk.send(note("opened"))
        github.faults = [fault]
        with pytest.raises(Retry):
            await desk.send(note("resolved"))
        await desk.send(note("resolved"))
        assert len(github.comments[1]) == 1

    run(story)


def test_an_issue_that_somebody_deleted_is_left_alone():
    async def story(github, desk):
        await desk.send(note("opened"))
        github.issues.clear()
        assert (await desk.send(note("resolved"))).left_out == "somebody has deleted its ticket"

    run(story)


def test_the_secondary_limit_is_a_wait_and_no_refusal():
    async def story(github, desk):
        github._per_second = 0
        with pytest.raises(Retry) as caught:
            await desk.send(note("opened"))
        assert caught.value.after_s == 60.0
        github._per_second = 10
        await desk.send(note("opened"))
        assert github.limited == 1
        assert len(github.issues) == 1

    run(story)


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait_s"),
    [
        (403, {"retry-after": "30"}, None, 30.0),
        (429, {}, None, 0.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1090"}, None, 90.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, None, 1.0),
        (403, {}, {"message": "You have exceeded a secondary rate limit."}, 60.0),
        (403, {"x-ratelimit-remaining": "17", "x-ratelimit-reset": "1090"}, {"message": "no access"}, None),
        (500, {"retry-after": "30"}, None, None),
    ],
)
def test_limits_are_told_from_refusals(status, headers, body, wait_s):
    found = limited(Answer(status, headers, body), clock=lambda: 1000.0)
    assert (found.after_s if isinstance(found, Retry) else None) == wait_s


def test_a_hundred_kilobytes_are_cut_with_a_mark_and_keep_the_mark_that_finds_them():
    async def story(github, desk):
        alert = NOTE.incident.alerts[0]
        alerts = tuple(replace(alert, id=f"e{n}", description="@ops *x* #1 " * 10_000) for n in range(90))
        huge = replace(NOTE.incident, title="t" * 100_000, alerts=alerts, anomalies=())
        await desk.send(replace(note("opened"), incident=huge))
        issue = github.issues[1]
        assert len(issue["title"]) == 256
        assert "… \\[cut\\]" in issue["body"]
        assert issue["body"].endswith("<!-- aiops 0123456789ab -->")
        assert "@ops" not in issue["body"], "nobody is mentioned by a text from outside"

    run(story)


def test_a_body_over_the_limit_is_cut_and_keeps_its_mark():
    body = markdown([Section("Hurts", ("x" * 70_000,))], "<!-- aiops i -->")
    assert len(body) == BODY_LIMIT
    assert body.endswith("… [cut]\n\n<!-- aiops i -->")


def test_what_github_says_of_a_refusal_is_passed_on():
    async def story(github, desk):
        desk.tracker = lambda url: GithubTracker(tracker(url)._rest, replace(SETTINGS, assignees=("nobody",)))
        with pytest.raises(Reject, match="assignees"):
            await desk.send(note("opened"))

    run(story)


def test_the_address_of_an_issue_is_where_people_look():
    def address(url):
        return GithubTracker(Rest("github", url), SETTINGS).address("7")

    assert address("https://api.github.com") == "https://github.com/acme/shop/issues/7"
    assert address("https://git.example/api/v3/") == "https://git.example/acme/shop/issues/7"
