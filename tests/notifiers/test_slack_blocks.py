"""What people read, and what Slack's limits and label texts of strangers do to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.errors import ConfigError
from aiops.model import Event
from aiops.notifiers import _slack_replies as replies
from aiops.notifiers._links import Links
from aiops.notifiers._slack_blocks import incident_message
from aiops.notifiers._slack_message import button
from aiops.notifiers._slack_text import joined, link, plain
from aiops.notifiers._slack_thread import Note, Thread
from rca import Evidence, Ranking, Suspect
from tests.notifiers import _slack_rules as rules
from tests.notifiers._slack_world import MINUTE_MS, OFFERED, START_MS, anomaly, incident, ranking, resolved

LINKS = Links(
    "https://aiops.example/", "https://g.example/d/1?s={service}&from={from_ms}&to={to_ms}", "https://w/{service}"
)


def message_of(one, thread=None, offered=OFFERED, links=LINKS):
    return incident_message(one, thread or Thread(), links, offered)


def test_it_answers_in_the_order_in_which_somebody_woken_up_asks():
    alert = Event("a", START_MS, "cart", "alert", "HighErrors: 5 %", "https://p/g", status="firing")
    one = incident(alerts=(alert,), anomalies=(anomaly(), anomaly("db", "cpu_usage", pages=False, unit="ratio")))
    shown = "Dashboard, 14 Nov 21:58 to 22:24 UTC"
    dashboard = f"<https://g.example/d/1?s=checkout&amp;from=1699999100000&amp;to=1700000660000|{shown}>"
    page = "<https://aiops.example/incidents/0123456789ab|All details>"
    assert rules.words(list(message_of(one).blocks)).split("\n") == [
        ":red_circle: Critical · checkout: p95 latency 1.9 s (6.1x)",
        "since 14 Nov 22:13 UTC · incident 0123456789ab",
        "*What hurts*",
        "• *checkout* p95 latency 1.9 s, 6.1x the expected 310 ms",
        "• *cart* alert HighErrors: 5 % (<https://p/g|alert>)",
        "*Most likely cause:* *payments* (deploy), 81% sure",
        "slower since v2.31.0",
        "path: payments → checkout",
        "or else: cart 9%",
        "*What changed*",
        "• *payments* deploy v2.31.0, 2 min before the start (<https://ci.example/1?a=1&amp;b=2|details>)",
        "*Blast radius:* 2 services hurt: cart, checkout; odd too: payments",
        f"<https://w/checkout|Runbook> · {dashboard} · {page}",
        "Acknowledge",
        "Real",
        "Noise",
        "Expected",
        "Silence …",
        "Open ticket",
    ]


def test_what_is_not_known_is_said():
    one = incident(ranking=Ranking(notes=("the ranker failed; see the log",)), events=(), anomalies=(), services=())
    text = rules.words(list(message_of(one, links=Links()).blocks))
    assert "*Most likely cause:* not known, no service stands out\nthe ranker failed; see the log" in text
    assert "*What changed:* no deploy or other change is known near it" in text
    assert "*Blast radius:* no services hurt" in text


def test_an_alerts_own_runbook_comes_before_the_general_one():
    alert = Event("a", START_MS, "cart", "alert", "x", status="firing", runbook="https://own/run?book")
    assert "<https://own/run?book|Runbook>" in rules.words(list(message_of(incident(alerts=(alert,))).blocks))


def test_what_is_over_is_told_in_the_past_and_offers_no_more_than_makes_sense():
    message = message_of(resolved(incident()))
    text = rules.words(list(message.blocks))
    assert text.startswith(":white_check_mark: Resolved · checkout")
    assert "14 Nov 22:13 to 22:41 UTC, 28 min · incident" in text
    assert "*What hurt*\n• *checkout* p95 latency 1.9 s, 6.1x the expected 310 ms, over after 28 min" in text
    assert set(rules.buttons(list(message.blocks))) == {"aiops:real", "aiops:noise", "aiops:expected", "aiops:ticket"}


def test_flapping_is_said_with_how_often():
    text = rules.words(list(message_of(incident(status="flapping", flaps=4)).blocks))
    assert text.startswith(":repeat: Flapping · checkout")
    assert "came back 4 times" in text


def test_what_people_said_is_shown_and_their_buttons_go():
    notes = (
        Note("acknowledged", "", "U0ANNA", START_MS + MINUTE_MS),
        Note("verdict", "noise", "U0BEN", START_MS + 2 * MINUTE_MS),
        Note("silence", "Silenced until 15 Nov 00:16 UTC", "U0BEN", START_MS + 3 * MINUTE_MS),
        Note("ticket", "OPS-12", "U0BEN", START_MS + 4 * MINUTE_MS, "https://jira.example/OPS-12"),
    )
    message = message_of(incident(), Thread(notes=notes))
    text = rules.words(list(message.blocks))
    assert ":eyes: Acknowledged by <@U0ANNA> at 14 Nov 22:14 UTC" in text
    assert ":memo: Verdict *noise* by <@U0BEN> at 14 Nov 22:15 UTC" in text
    assert ":no_bell: Silenced until 15 Nov 00:16 UTC by <@U0BEN> at 14 Nov 22:16 UTC" in text
    assert ":ticket: Ticket <https://jira.example/OPS-12|OPS-12> by <@U0BEN> at 14 Nov 22:17 UTC" in text
    assert not {"aiops:acknowledge", "aiops:ticket"} & set(rules.buttons(list(message.blocks)))


def test_what_users_feel_most_comes_first_and_what_is_over_last():
    errors = anomaly("cart", "error_ratio", kind="errors", unit="ratio", value=0.06, expected=0.01, rarity=1.0)
    over = anomaly("shop", "error_ratio", kind="errors", unit="ratio", value=0.06, ended_ms=START_MS + MINUTE_MS)
    text = rules.words(list(message_of(incident(anomalies=(over, anomaly(), errors))).blocks))
    assert text.index("*cart* error ratio") < text.index("*checkout* p95") < text.index("*shop* error ratio")


def test_a_suspect_that_is_hardly_one_and_a_change_at_the_very_start_cost_no_room():
    weak = replace(ranking(), suspects=(*ranking().suspects[:1], Suspect("cart", None, 0.1, 0.04)))
    deploy = Event("d", START_MS + 20_000, "payments", "deploy", "v2")
    text = rules.words(list(message_of(incident(ranking=weak, events=(deploy,))).blocks))
    assert "or else" not in text
    assert "• *payments* deploy v2, as it began" in text


def test_a_band_that_reaches_below_nothing_is_said_by_its_upper_border():
    odd = anomaly(
        "cart", "error_ratio", kind="errors", unit="ratio", value=0.06, expected=0.01, lower=-0.01, upper=0.02
    )
    assert "band at most 2%," in rules.words(list(replies.details(incident(anomalies=(odd,))).blocks))


def test_buttons_nobody_could_serve_are_not_shown():
    assert rules.buttons(list(message_of(incident(), offered=()).blocks)) == {}


def test_a_thread_says_what_speaks_for_and_against_and_every_signal_with_its_band():
    text = rules.words(list(replies.details(incident()).blocks))
    assert "*payments*, 81% sure\n+ deployed 2 min before the start\n- its CPU is as ever" in text
    assert (
        "• *checkout* p95 latency 1.9 s, 6.1x the expected 310 ms, band 200 ms to 400 ms, since 14 Nov 22:13 UTC"
        in text
    )
    empty = replies.details(incident(anomalies=(), ranking=Ranking()))
    assert rules.words(list(empty.blocks)) == "No more is known than what the message above says."


# -- strangers' texts

HOSTILE = st.text(st.sampled_from("<>&!@#|*_~`{}\"'\n\x00\x1b ax…→"), max_size=40) | st.sampled_from(
    ["<!channel>", "<!here|now>", "@channel", "<@U0ANNA>", "<#C0ALERTS>", "#general", "a" * 700, "&<" * 350]
)


@settings(max_examples=30, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_of_strangers_calls_anybody_or_breaks_a_limit(one, two, three):
    alerts = tuple(
        Event(f"a{i}", START_MS, two, "alert", one, f"https://x/{three}", labels=((one, two),), runbook=three)
        for i in range(60)
    )
    evidence = tuple(Evidence(one, 0.5, three) for _ in range(40))
    suspects = tuple(Suspect(f"{one}{i}", two, 1.0, 0.5, "deploy", three, (one, two), evidence) for i in range(5))
    anomalies = tuple(anomaly(two, one, id=str(i), unit=three) for i in range(30))
    changes = tuple(Event(f"d{i}", START_MS, one, "deploy", two, three) for i in range(30))
    hurt = incident(
        title=one or "x",
        services=tuple(f"{two}{i}" for i in range(99)),
        anomalies=anomalies,
        alerts=alerts,
        events=changes,
        ranking=Ranking(suspects, unknown=False, notes=(one,)),
    )
    told = [message_of(hurt), message_of(resolved(hurt)), replies.details(hurt), replies.cause_changed(hurt)]
    told += [replies.resolved(hurt), replies.flapping(hurt), replies.digest([hurt] * 60, 60, 20, LINKS)]
    for message in told:
        blocks = list(message.blocks)
        assert rules.faults(blocks) == []
        assert rules.mentions(message.text, blocks) == []
        assert 0 < len(message.text) <= 1000


def test_a_link_goes_to_web_addresses_only_and_cannot_be_ended_by_its_text():
    assert link("javascript:alert(1)", "x") == "x"
    assert link("https://x/a|b", "x") == "x"
    assert link("https://x/a b", "x") == "x"
    assert link("https://x/", "a|b>c") == "<https://x/|a/b&gt;c>"
    assert link("https://x/" + "a" * 3000, "x") == "x"


def test_an_escape_is_never_cut_in_half():
    for most in range(1, 12):
        assert joined(["a&amp;b&lt;c"], most).rstrip("…") in (
            "",
            "a",
            "a&amp;",
            "a&amp;b",
            "a&amp;b&lt;",
            "a&amp;b&lt;c",
        )
    assert plain("&" * 10, 5) == "&amp;&amp;&amp;&amp;…"


def test_a_button_whose_value_slack_would_refuse_is_an_error_here():
    with pytest.raises(ValueError, match="at most 2000 characters, got 2001"):
        button("a", "b", "x" * 2001)


def test_an_address_with_a_field_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"dashboard_url: has no \{svc\}; there are \{service\}"):
        Links(dashboard="https://g/{svc}")


def test_a_service_name_is_one_part_of_an_address():
    one = incident(title="a/b?c: slow", services=("a/b?c",))
    assert Links(runbook="https://w/{service}").runbook_of(one) == "https://w/a%2Fb%3Fc"


def test_the_range_of_a_link_ends_after_the_incident():
    over = resolved(incident())
    assert f"to={over.resolved_ms + 10 * MINUTE_MS}" in LINKS.dashboard_of(over)
    assert LINKS.dashboard_of(replace(over, id="x", resolved_ms=None, ranking=ranking())).endswith("1700002340000")
