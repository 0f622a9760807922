"""One message per incident, edited in place, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aiops.errors import NotYet, Reject, Retry, Unsure
from aiops.model import Event
from aiops.notifiers._slack_errors import TokenRefused
from aiops.notifiers._slack_route import Route
from aiops.notifiers.checks import check_notifier
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_slack import SCOPES, Channel, Fault
from tests.notifiers._slack_world import MINUTE_MS, START_MS, World, anomaly, incident, note, ranking, resolved, world


def test_an_incident_is_one_message_that_is_edited_and_its_thread_says_what_changed():
    with world() as here:
        one = incident()
        here.tell(one)
        (message,) = here.slack.seen()
        assert (
            message["text"] == "Critical: checkout: p95 latency 1.9 s (6.1x). Likely cause: payments (deploy), 81% sure"
        )
        other = replace(one, ranking=ranking("cart", 0.7), updated_ms=START_MS + 5 * MINUTE_MS)
        here.tell(other, "cause changed", 1)
        here.tell(resolved(other), "resolved")
        (message,) = here.slack.seen()
        assert message["text"].startswith("Resolved: checkout")
        assert message["edits"] == 2
        said = [reply["text"] for reply in here.slack.thread(message["ts"])]
        assert said == [
            "Details of checkout: p95 latency 1.9 s (6.1x)",
            ":arrows_counterclockwise: Most likely cause is now *cart* (deploy), 70% sure: slower since v2.31.0",
            ":white_check_mark: Resolved at 14 Nov 22:41 UTC after 28 min.",
        ]
        assert not any(m["mentions"] for m in here.slack.messages)


def test_the_same_notification_again_shows_nothing_new():
    with world() as here:
        here.tell(incident())
        here.tell(resolved(incident()), "resolved")
        here.send(note(incident()), note(resolved(incident()), "resolved"))
        assert here.slack.methods().count("chat.postMessage") == 3
        assert here.slack.methods().count("chat.update") == 1


def test_an_old_notification_does_not_put_an_old_state_over_a_newer_one():
    with world() as here:
        one = incident()
        here.saved.incidents[one.id] = resolved(one)
        here.send(note(one))
        (message,) = here.slack.seen()
        assert message["text"].startswith("Resolved")


def test_a_message_waits_until_the_incident_has_gathered_and_less_long_when_an_slo_burns_fast():
    with world(gather_s=60.0, fast_gather_s=5.0) as here:
        one = incident()
        here.now_s = one.updated_ms / 1000
        with pytest.raises(NotYet) as early:
            here.tell(one)
        assert early.value.at_ms == one.updated_ms + 60_000
        errors = anomaly(signal="error_ratio", kind="errors", unit="ratio", value=0.0145, expected=0.001)
        burning = incident("0123456789ac", anomalies=(errors,))
        with pytest.raises(NotYet) as early:
            here.tell(burning)
        assert early.value.at_ms == burning.updated_ms + 5_000
        slow = incident("0123456789ad", anomalies=(replace(errors, value=0.0143),))
        with pytest.raises(NotYet, match="gathers for 60 s"):
            here.tell(slow)
        alert = Event("a", START_MS, "checkout", "alert", status="firing", labels=(("severity", "page"), ("slo", "x")))
        with pytest.raises(NotYet, match="gathers for 5 s"):
            here.tell(incident("0123456789ae", alerts=(alert,)))
        assert here.slack.calls == []
        here.now_s += 60.0
        here.tell(one)
        assert len(here.slack.seen()) == 1


def test_a_clock_that_is_set_back_delays_no_message():
    with world(gather_s=60.0) as here:
        here.now_s = START_MS / 1000 - 86_400
        here.tell(incident())
        assert len(here.slack.seen()) == 1


# -- crashes and lost answers


@pytest.mark.parametrize("fault", [Fault(after=True), Fault(502, after=True), Fault(), Fault(503)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_answer_that_never_comes_shows_nobody_a_second_message(fault, place):
    """One of three posts is done or not done, nobody is told which, and the process starts anew."""
    with world() as here:
        here.slack.faults["chat.postMessage"].extend([None] * place + [fault])
        failed = here.deliver(incident()) + here.deliver(resolved(incident()), "resolved")
        assert [type(error) for error in failed] == [Unsure]
        assert here.slack.duplicates() == 0
        (message,) = here.slack.seen()
        assert len(here.slack.thread(message["ts"])) == 2


def test_a_post_nobody_knows_of_is_found_beyond_the_first_page_and_however_clocks_differ():
    with world() as here:
        here.slack.faults["chat.postMessage"].append(Fault(after=True))
        with pytest.raises(Unsure):
            here.tell(incident())
        here.slack.messages[:0] = [
            {"ts": f"{START_MS / 1000 + i:.6f}", "channel": "C0ALERTS", "text": "chatter", "metadata": None}
            for i in range(250)
        ]
        here.now_s += 3600
        here.restart()
        here.tell(incident())
        assert here.slack.duplicates() == 0


def test_without_the_right_to_read_a_lost_answer_costs_one_more_message_with_the_same_key_and_nothing_is_lost():
    with world() as here:
        here.slack.tokens["xoxb-good"] = SCOPES - {"channels:history", "groups:history"}
        here.slack.faults["chat.postMessage"].append(Fault(after=True))
        here.deliver(incident())
        assert here.slack.duplicates() == 1
        posts = [given for method, given in here.slack.calls if method == "chat.postMessage"]
        assert posts[0]["client_msg_id"] == posts[1]["client_msg_id"] != posts[2]["client_msg_id"]
        here.deliver(resolved(incident()), "resolved")
        assert here.slack.duplicates() == 1


def test_what_was_refused_clearly_is_not_looked_for():
    with world() as here:
        here.slack.faults["chat.postMessage"].append(Fault(429, headers={"Retry-After": "7"}))
        (error,) = here.deliver(incident())
        assert (type(error), error.after_s) == (Retry, 7.0)
        assert "conversations.history" not in here.slack.methods()


def test_a_caller_that_gives_up_does_not_stop_what_is_under_way():
    """The next one waits for it, and finds it done."""

    async def story(here):
        gate = asyncio.Event()

        async def slow(_):
            await gate.wait()

        here.sleep = slow
        here.restart()
        here.slack.limited = False
        first = asyncio.create_task(here.notifier.send(note(incident())))
        while "chat.postMessage" not in here.slack.methods():  # noqa: ASYNC110 - the fake is in another thread
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(here.notifier.send(note(incident())))
        await asyncio.sleep(0)
        gate.set()
        await second
        await here.notifier.close()

    with world() as here:
        asyncio.run(story(here))
        assert here.slack.methods() == ["chat.postMessage", "chat.postMessage"]


def test_a_restart_goes_on_in_the_same_thread():
    with world() as here:
        here.tell(incident())
        here.restart()
        here.tell(resolved(incident()), "resolved")
        (message,) = here.slack.seen()
        assert len(here.slack.thread(message["ts"])) == 2


# -- what people and administrators do


def test_a_message_somebody_deleted_is_posted_again_once():
    with world() as here:
        one = incident()
        here.tell(one)
        here.slack.remove(here.slack.seen()[0]["ts"])
        here.tell(replace(one, ranking=ranking("cart"), updated_ms=START_MS + 3 * MINUTE_MS), "cause changed", 1)
        (message,) = here.slack.seen()
        assert [reply["text"][:12] for reply in here.slack.thread(message["ts"])] == ["Details of c", ":arrows_coun"]
        here.slack.remove(message["ts"])
        for _ in range(2):
            here.tell(resolved(one), "resolved")
        assert here.slack.messages == [], "who deletes it twice does not want it"


def test_a_thread_whose_parent_goes_between_edit_and_reply_leaves_nothing_loose_in_the_channel():
    with world() as here:
        one = incident()
        here.tell(one)
        parent = here.slack.seen()[0]["ts"]
        update = here.slack._update

        def then_delete(given):
            answer = update(given)
            here.slack._update = update
            here.slack.remove(parent)
            return answer

        here.slack._update = then_delete
        here.tell(resolved(one), "resolved")
        (message,) = here.slack.seen()
        assert message["ts"] != parent
        assert message["text"].startswith("Resolved: checkout")
        assert [reply["text"][:17] for reply in here.slack.thread(message["ts"])] == [":white_check_mark"]


def test_a_channel_is_known_by_its_id_after_the_first_message_so_a_new_name_changes_nothing():
    with world(channel="#alerts") as here:
        here.tell(incident())
        here.slack.channels["C0ALERTS"].name = "incidents"
        here.tell(resolved(incident()), "resolved")
        here.tell(incident("0123456789ac"))
        assert len(here.slack.seen()) == 2


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("C0NOWHERE", "channel_not_found: there is no such channel for this app: use the channel's id, and invite"),
        ("C0OLD", "is_archived: the channel is archived"),
        ("C0OTHER", "not_in_channel: the app is not in the channel: invite it"),
    ],
)
def test_a_channel_that_takes_nothing_is_a_dead_letter_with_a_reason(channel, said):
    with world(channel=channel) as here:
        here.slack.channels |= {"C0OLD": Channel("old", archived=True), "C0OTHER": Channel("other", member=False)}
        with pytest.raises(Reject, match=said):
            here.tell(incident())
        assert len(here.slack.calls) == 1


def test_a_revoked_token_is_not_tried_again_and_health_says_so_until_it_works():
    with world() as here:
        del here.slack.tokens["xoxb-good"]
        with pytest.raises(TokenRefused, match="token_revoked: put a bot token that works into token_file"):
            here.tell(incident())
        assert here.health == [
            "chat.postMessage: token_revoked: put a bot token that works into token_file and start again"
        ]
        here.slack.tokens["xoxb-good"] = SCOPES
        here.tell(incident())
        assert here.health[-1] == ""


def test_blocks_that_slack_does_not_like_cost_the_looks_but_not_the_news():
    with world() as here:
        here.slack.faults["chat.postMessage"].append(Fault(error="invalid_blocks"))
        here.slack.faults["chat.update"].append(Fault(error="invalid_blocks"))
        here.tell(incident())
        here.tell(resolved(incident()), "resolved")
        (message,) = here.slack.seen()
        assert (message["blocks"], message["text"][:9]) == ([], "Resolved:")


# -- where to


def test_the_owner_of_the_cause_hears_first_then_who_is_hurt_then_everybody():
    routes = (
        Route("C0PAY", services=("pay*",)),
        Route("C0SHOP", services=("checkout",), severity="critical"),
        Route("C0DATA", teams=("data",)),
    )
    with world(routes=routes) as here:
        here.slack.channels |= {"C0SHOP": Channel("shop"), "C0DATA": Channel("data")}
        here.tell(incident("000000000001"))
        here.tell(incident("000000000002", ranking=replace(ranking(), unknown=True)))
        here.tell(incident("000000000003", ranking=replace(ranking(), unknown=True), severity="warning"))
        alert = Event("e", START_MS, "etl", "alert", status="firing", labels=(("team", "data"),))
        here.tell(incident("000000000004", anomalies=(), alerts=(alert,), ranking=replace(ranking(), unknown=True)))
        where = {
            m["blocks"][1]["elements"][0]["text"][-12:]: m["channel"]
            for m in here.slack.messages
            if m["blocks"][0]["type"] == "header"
        }
        assert where == {
            "000000000001": "C0PAY",
            "000000000002": "C0SHOP",
            "000000000003": "C0ALERTS",
            "000000000004": "C0DATA",
        }


def test_an_incident_stays_in_its_channel_when_its_cause_changes():
    with world(routes=(Route("C0PAY", services=("payments",)),)) as here:
        here.tell(incident())
        here.tell(replace(incident(), ranking=ranking("cart"), updated_ms=START_MS + 3 * MINUTE_MS), "cause changed", 1)
        assert (len(here.slack.seen("C0PAY")), len(here.slack.seen())) == (1, 0)


# -- how much


def many(count):
    return [incident(f"{number:012d}", title=f"service {number}: slow") for number in range(count)]


def test_beyond_the_cap_of_a_channel_one_digest_lists_what_got_no_message_and_follows_it():
    with world(cap_per_hour=2) as here:
        for one in many(5):
            here.deliver(one)
        first, second, digest = here.slack.seen()
        assert digest["text"] == "3 more incidents within an hour, beyond the 2 messages an hour of this channel"
        assert [f"service {n}: slow" in rules.words(digest["blocks"]) for n in range(5)] == [
            False,
            False,
            True,
            True,
            True,
        ]
        here.deliver(resolved(many(5)[3]), "resolved")
        assert ":white_check_mark: Resolved · service 3: slow" in rules.words(here.slack.seen()[2]["blocks"])
        assert len(here.slack.thread(digest["ts"])) == 0
        assert "edits" not in first
        here.now_s += 3600
        here.deliver(incident("00000000000a"))
        assert len(here.slack.seen()) == 4, "an hour later there is room again"
        assert second["ts"] != digest["ts"]


def test_a_storm_edits_the_digest_now_and_then_and_loses_nothing():
    with world(cap_per_hour=1) as here:
        storm, waiting = many(120), []
        for one in storm:
            try:
                here.tell(one)
            except NotYet as early:
                waiting.append((one, early.at_ms))
        here.now_s = max(at_ms for _, at_ms in waiting) / 1000
        for one, _ in waiting:
            here.tell(one)
        _, digest = here.slack.seen()
        assert digest["text"].startswith("119 more incidents")
        assert "and 79 more, see the page of all incidents" in rules.words(digest["blocks"])
        assert digest["edits"] == 1
        assert here.slack.methods().count("chat.postMessage") == 3


def test_a_digest_whose_answer_is_lost_is_not_posted_twice():
    with world(cap_per_hour=0) as here:
        here.slack.faults["chat.postMessage"].append(Fault(after=True))
        for one in many(3):
            here.deliver(one)
        assert (len(here.slack.seen()), here.slack.duplicates()) == (1, 0)


def test_messages_of_one_channel_are_a_second_apart():
    with world() as here:
        for one in many(3):
            here.tell(one)
        assert here.slept_s >= 5 * 1.0, "six posts, and never a 429"
        assert all(method != "conversations.history" for method in here.slack.methods())


# -- contract


def test_it_keeps_to_the_contract_of_notifiers():
    def make(url):
        here = World(channel="C1")
        return here.restart("xoxb-s3cr3t", f"{url}/api/")

    body = b'{"ok": true, "channel": "C1", "ts": "1.2"}'
    check_notifier(make, secrets=["xoxb-s3cr3t"], body=body, taken=(200,))
