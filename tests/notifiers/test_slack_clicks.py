"""What a button does: once, in the thread for all to see, with a line of who did it."""

from __future__ import annotations

import asyncio

import pytest

from aiops.audit import MOST
from aiops.errors import InputError, NotYet, Retry, StoreError
from aiops.notifiers._slack_clicks import ClickRules
from aiops.notifiers._slack_desk import Desk, OpenedTicket
from aiops.silence import proposal
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_slack import Fault
from tests.notifiers._slack_world import incident, pressed, resolved, world


class Office:
    """What the rest of the service does with a click."""

    def __init__(self, now_ms) -> None:
        self.done: list[tuple] = []
        self.fault: Exception | None = None
        self.now_ms = now_ms

    def desk(self) -> Desk:
        return Desk(self.verdict, self, self.ticket, self.acknowledge)

    async def acknowledge(self, one, who):
        self._note("acknowledge", one.id, who)

    async def verdict(self, incident_id, answer, *, who, key):
        self._note("verdict", incident_id, answer, who, key)
        return ["checkout p95 latency: 1 page in 30 days becomes 0.5"]

    def propose(self, one, duration_s, created_by):
        return proposal(one, self.now_ms(), duration_s, created_by)

    async def create(self, silence):
        self._note("silence", [str(m) for m in silence.matchers], silence.ends_ms, silence.created_by)
        return "s1"

    async def ticket(self, one, who):
        self._note("ticket", one.id, who)
        return OpenedTicket("OPS-12", "https://jira.example/OPS-12")

    def _note(self, *what):
        if self.fault is not None:
            raise self.fault
        self.done.append(what)


def shop(here):
    office = Office(lambda: round(here.now_s * 1000))
    here.desk = office.desk()
    here.restart()
    here.tell(incident())
    return office


def text_of(here):
    return rules.words(here.slack.seen()[0]["blocks"])


def test_an_acknowledgement_is_shown_to_all_and_said_once():
    with world() as here:
        shop(here)
        here.press("acknowledge")
        assert ":eyes: Acknowledged by <@U0ANNA> at 14 Nov 22:15 UTC" in text_of(here)
        here.press("acknowledge", "U0BEN", at="2")
        assert [(w["user"], w["text"]) for w in here.slack.whispers] == [
            ("U0BEN", "<@U0ANNA> has acknowledged it at 14 Nov 22:15 UTC.")
        ]
        assert here.audit() == [
            "anna (U0ANNA) pressed acknowledge of 0123456789ab: acknowledged",
            "ben (U0BEN) pressed acknowledge of 0123456789ab: acknowledged already",
        ]


def test_those_who_page_are_told_of_an_acknowledgement_and_their_trouble_does_not_undo_it():
    with world() as here:
        office = shop(here)
        here.press("acknowledge")
        assert office.done == [("acknowledge", "0123456789ab", "anna")]
    with world() as here:
        shop(here).fault = Retry("events.pagerduty.com: HTTP 503")
        here.press("acknowledge")
        assert ":eyes: Acknowledged by <@U0ANNA>" in text_of(here)
        assert here.slack.whispers[0]["text"] == "Those who page could not be told: events.pagerduty.com: HTTP 503."
        assert here.audit()[-1].endswith("acknowledged, those who page were not told")


def test_what_was_said_stays_when_the_incident_goes_on():
    with world() as here:
        shop(here)
        here.press("acknowledge")
        here.tell(resolved(incident()), "resolved")
        assert "Acknowledged by <@U0ANNA>" in text_of(here)


@pytest.mark.parametrize("answer", ["real", "noise", "expected"])
def test_a_verdict_is_given_with_a_key_and_its_giver_learns_what_it_changes(answer):
    with world() as here:
        office = shop(here)
        here.press(answer)
        ((_, incident_id, given, who, key),) = office.done
        assert (incident_id, given, who) == ("0123456789ab", answer, "anna")
        assert len(key) == 16
        assert f":memo: Verdict *{answer}* by <@U0ANNA> at" in text_of(here)
        assert here.slack.whispers[0]["text"] == (
            f"Noted as *{answer}*: checkout p95 latency: 1 page in 30 days becomes 0.5."
        )


def test_a_silence_is_proposed_with_its_matchers_and_its_end_and_made_by_the_second_click():
    with world() as here:
        office = shop(here)
        here.press("silence")
        assert office.done == []
        reply = here.slack.thread(here.slack.seen()[0]["ts"])[-1]
        assert rules.words(reply["blocks"]) == (
            ':no_bell: <@U0ANNA> proposes to silence alerts with alertname="AiopsIncident", service="checkout" '
            "until 15 Nov 00:15 UTC\n"
            "Nothing is silenced yet.\nCreate the silence\nDo not"
        )
        value = rules.buttons(reply["blocks"])["aiops:silence-confirm"]["value"]
        for at in ("2", "3"):
            here.press("silence-confirm", "U0BEN", value, at)
        assert [(kind, what, who) for kind, what, _, who in office.done] == [
            ("silence", ['alertname="AiopsIncident"', 'service="checkout"'], "ben")
        ]
        reply = here.slack.thread(here.slack.seen()[0]["ts"])[-1]
        assert rules.words(reply["blocks"]).startswith(
            ':no_bell: Silenced alertname="AiopsIncident", service="checkout" until 15 Nov 00:15 UTC'
        )
        assert ":no_bell: Silenced alertname=" in text_of(here)
        assert here.slack.whispers[-1]["text"] == "This proposal was decided already."


def test_a_silence_that_cannot_be_shown_at_once_is_not_made_twice():
    with world() as here:
        office = shop(here)
        here.press("silence")
        value = rules.buttons(here.slack.thread(here.slack.seen()[0]["ts"])[-1]["blocks"])["aiops:silence-confirm"][
            "value"
        ]
        here.slack.faults["chat.update"].append(Fault(503))
        here.press("silence-confirm", "U0BEN", value, "2")
        assert ":no_bell:" not in text_of(here)
        asyncio.run(here.clicks.work())
        assert (":no_bell: Silenced" in text_of(here), len(office.done)) == (True, 1)


def test_a_silence_that_is_not_wanted_or_comes_too_late_is_not_made():
    with world() as here:
        office = shop(here)
        for at, then, said in (("1", 0.0, "Not silenced"), ("2", 7201.0, "Not silenced: the time proposed is over")):
            here.press("silence", at=at)
            thread = here.slack.thread(here.slack.seen()[0]["ts"])
            value = rules.buttons(thread[-1]["blocks"])["aiops:silence-confirm"]["value"]
            here.now_s += then
            here.press("silence-confirm" if then else "silence-cancel", "U0BEN", value, at)
            assert said in here.slack.thread(here.slack.seen()[0]["ts"])[-1]["text"]
        assert office.done == []


def test_a_ticket_is_opened_once_and_linked():
    with world() as here:
        office = shop(here)
        here.press("ticket")
        assert office.done == [("ticket", "0123456789ab", "anna")]
        assert ":ticket: Ticket <https://jira.example/OPS-12|OPS-12> by <@U0ANNA>" in text_of(here)
        assert "aiops:ticket" not in rules.buttons(here.slack.seen()[0]["blocks"])


def test_the_same_click_delivered_again_changes_nothing_even_after_a_restart():
    with world() as here:
        office = shop(here)
        here.press("noise")
        here.restart()
        here.press("noise")
        here.press("noise")
        assert len(office.done) == 1
        assert here.audit()[-1] == "anna (U0ANNA) pressed noise of 0123456789ab: known already, nothing was done again"


def test_a_click_that_was_taken_is_done_after_a_restart():
    with world() as here:
        office = shop(here)
        asyncio.run(here.clicks.take(pressed("noise")))
        here.restart()

        async def story():
            stop = asyncio.Event()
            running = asyncio.create_task(here.clicks.run(stop))
            while not here.slack.whispers:  # noqa: ASYNC110 - the fake is in another thread
                await asyncio.sleep(0.001)
            stop.set()
            await running

        asyncio.run(story())
        assert len(office.done) == 1


def test_a_click_while_it_runs_is_done_at_once():
    with world() as here:
        office = shop(here)

        async def story():
            stop = asyncio.Event()
            running = asyncio.create_task(here.clicks.run(stop))
            await asyncio.sleep(0)
            await here.clicks.take(pressed("noise"))
            while not here.slack.whispers:  # noqa: ASYNC110 - the fake is in another thread
                await asyncio.sleep(0.001)
            stop.set()
            await running

        asyncio.run(story())
        assert len(office.done) == 1


@pytest.mark.parametrize(
    ("user", "value", "action", "said"),
    [
        ("U0EVE", "0123456789ab", "noise", "You are not among those who may use these buttons"),
        ("U0ANNA", "ffffffffffff", "noise", "This incident is not kept here any more."),
        ("U0ANNA", "0123456789ab", "explode", "This version of the service does not know that button."),
        ("U0ANNA", "0123456789ab nope", "silence-confirm", "This proposal was decided already."),
    ],
)
def test_who_may_not_or_cannot_gets_a_clear_answer_and_an_audit_line_and_nothing_changes(user, value, action, said):
    with world() as here:
        here.rules = ClickRules(users=("U0ANNA",))
        office = shop(here)
        here.slack.users.add("U0EVE")
        before = text_of(here)
        here.press(action, user, value)
        assert here.slack.whispers[0]["text"].startswith(said)
        assert (office.done, text_of(here)) == ([], before)
        (line,) = here.audit()
        assert "refused" in line
        assert f"({user}) pressed {action} of {value.split()[0]}" in line


def test_a_refusal_of_the_office_is_told_to_the_person_and_a_fault_of_it_keeps_nobody_else_waiting():
    with world() as here:
        office = shop(here)
        office.fault = InputError("'anna' may give no verdicts here")
        here.press("noise")
        assert here.slack.whispers[-1]["text"] == "'anna' may give no verdicts here."
        office.fault = RuntimeError("password=s3cr3t")
        here.press("noise", at="2")
        assert here.slack.whispers[-1]["text"] == "That failed, see the log of the service."
        assert here.audit()[-1].endswith("noise of 0123456789ab: failed: RuntimeError")
        office.fault = None
        here.press("noise", at="3")
        assert len(office.done) == 1


@pytest.mark.parametrize("fault", [Retry("jira: HTTP 503"), NotYet("its search may lag behind", 0)])
def test_a_click_that_cannot_be_done_now_waits_but_not_for_ever(fault):
    with world() as here:
        office = shop(here)
        office.fault = fault
        here.press("ticket")
        assert here.audit() == []
        here.now_s += 1800
        office.fault = None
        asyncio.run(here.clicks.work())
        assert len(office.done) == 1
        office.fault = Retry("jira: HTTP 503")
        here.press("real", at="9")
        here.now_s += 3600
        asyncio.run(here.clicks.work())
        assert here.audit()[-1].endswith("real of 0123456789ab: given up: jira: HTTP 503")


def test_a_verdict_on_an_incident_whose_message_cannot_be_edited_is_still_given():
    with world() as here:
        office = shop(here)
        here.slack.channels["C0ALERTS"].archived = True
        here.press("noise")
        assert len(office.done) == 1
        assert "is_archived" in here.audit()[0]


def test_a_click_that_cannot_be_written_down_is_not_taken():
    with world() as here:
        shop(here)

        def full(*_):
            raise StoreError("the disk is full")

        here.receipts.keep_receipts = full
        with pytest.raises(StoreError):
            asyncio.run(here.clicks.take(pressed("noise")))


@pytest.mark.parametrize(
    "payload", [None, [], {}, {"type": 1}, {"type": "block_actions", "actions": [{"action_id": "aiops:x"}]}]
)
def test_what_is_no_payload_is_refused(payload):
    with world() as here, pytest.raises(InputError, match="payload: "):
        asyncio.run(here.clicks.take(payload))


@pytest.mark.parametrize(
    "payload", [{"type": "view_submission"}, {"type": "block_actions", "actions": [{"action_id": "x"}]}]
)
def test_what_is_none_of_our_buttons_is_left_alone(payload):
    with world() as here:
        here.press("x", value="y")
        asyncio.run(here.clicks.take(payload))
        assert asyncio.run(here.state.waiting_clicks()) == []


def test_the_audit_is_bounded_and_in_order():
    with world() as here:

        async def story():
            for number in range(MOST + 3):
                await here.state.audit(number // 2, f"line {number}")

        asyncio.run(story())
        assert here.audit() == [f"line {n}" for n in range(3, MOST + 3)]


def test_a_refused_button_does_not_stop_at_a_person_who_cannot_be_told():
    with world() as here:
        here.rules = ClickRules(users=("U0BEN",))
        shop(here)
        here.press("noise", "U0GONE")
        assert here.slack.whispers == []
        assert "refused: not among users" in here.audit()[0]
