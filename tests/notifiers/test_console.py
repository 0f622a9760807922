from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from rich.console import Console

from aiops.errors import Retry
from aiops.model import Anomaly, Event, Incident, Notification, SeriesKey
from aiops.notifiers.checks import example
from aiops.notifiers.console import ConsoleNotifier, incident_text, print_incident
from rca import Evidence, Ranking, Suspect

T = 1_700_000_000_000
MIN = 60_000


def anomaly(
    name, service, signal="latency_p95", value=1.9, expected=0.31, *, unit="s", pages=True, rarity=2.0, end=None
):
    return Anomaly(
        name,
        SeriesKey(signal, service),
        "latency",
        unit,
        "up",
        pages,
        T,
        T,
        end,
        value,
        expected,
        0.2,
        0.4,
        9.0,
        rarity,
    )


INCIDENT = Incident(
    id="0123456789ab",
    status="open",
    title="checkout: p95 latency 1.9 s (6.1x) and 1 more service",
    severity="critical",
    started_ms=T,
    updated_ms=T,
    opened_ms=T + MIN,
    services=("checkout", "gateway", "payments"),
    anomalies=(
        anomaly("a1", "checkout"),
        anomaly("a2", "gateway", "error_ratio", 0.061, 0.001, unit="ratio", rarity=0.9, end=T + 90_000),
        anomaly("a3", "payments", "cpu_cores", 0.9, 0.2, unit="cores", pages=False, rarity=0.9),
    ),
    alerts=(Event("e1", T, "gateway", "alert", "HighErrorRate", status="resolved"), Event("e2", T, "", "alert")),
    events=(
        Event("d1", T - 7 * MIN, "payments", "deploy", "v2.3.1", "https://ci.example/77"),
        Event("d2", T + MIN, "cart", "scale"),
    ),
    ranking=Ranking(
        (
            Suspect(
                *(
                    "payments",
                    "cpu_cores",
                    1.0,
                    0.82,
                    "deploy",
                    "it was deployed 7 min before",
                    ("payments", "checkout"),
                ),
                (Evidence("deploy", 0.6, "deployed 7 min before"), Evidence("errors", -0.1, "its errors did not rise")),
            ),
            Suspect("checkout", None, 0.3, 0.11, reason="slow, but its callee explains it"),
            Suspect("db", None, 0.1, 0.02),
        ),
        unknown=False,
    ),
)

BLOCK = """\
 OPENED  critical  checkout: p95 latency 1.9 s (6.1x) and 1 more service
  0123456789ab · since 14 Nov 22:13 UTC, 2 min ago

  Hurts     checkout  p95 latency 1.9 s, 6.1x the expected 310 ms; rarer than once in 90 days
            gateway  error ratio 6.1%, 61x the expected 0.1%; rarer than once in a week, over after 1 min 30 s
            gateway  alert HighErrorRate, resolved
            ?  alert e2
  Cause     payments  deploy, 82% sure
            it was deployed 7 min before
  Path      payments -> checkout
  Evidence  + deployed 7 min before
            - its errors did not rise
  Or else   checkout  11%: slow, but its callee explains it
            db  2%
  Changed   payments  deploy v2.3.1, 7 min before  https://ci.example/77
            cart  scale, 1 min after the start
  Odd too   payments  cpu cores 0.9 cores, 4.5x the expected 0.2 cores; rarer than once in a week

"""


def sent(notification, *, terminal=False, width=100):
    file = io.StringIO()
    notifier = ConsoleNotifier(file)
    if terminal:
        notifier._console = Console(
            file=file, force_terminal=True, width=width, highlight=False, color_system="standard"
        )
    asyncio.run(notifier.send(notification))
    asyncio.run(notifier.close())
    return file.getvalue()


def test_the_block_answers_in_the_order_in_which_people_ask():
    text = sent(Notification("k", INCIDENT, "console", "opened", T + 2 * MIN))
    assert "\n".join(line.rstrip() for line in text.splitlines()) + "\n" == BLOCK


def test_a_terminal_gets_the_same_in_colour_folded_under_its_labels():
    text = sent(Notification("k", INCIDENT, "console", "opened", T + 2 * MIN), terminal=True, width=60)
    assert "\x1b[1;31mpayments" in text, "the cause in bold red"
    plain = incident_text(INCIDENT, T, "opened").plain
    folded = "".join(part for part in text.split("\x1b") if part)
    assert max(len(line) for line in folded.splitlines()) < 160
    for word in ("payments", "HighErrorRate", "7 min before"):
        assert word in plain
        assert word in text


def test_what_is_over_says_how_long_it_took():
    over = replace(INCIDENT, status="resolved", resolved_ms=T + 15 * MIN, flaps=3, ranking=Ranking())
    head = sent(Notification("k", over, "console", "resolved", T + 20 * MIN)).splitlines()
    assert head[0].startswith(" RESOLVED   checkout")
    assert head[1] == "  0123456789ab · 14 Nov 22:13 UTC to 14 Nov 22:28 UTC, 15 min · came back 3 times"
    assert "  Cause     not known: no service stands out" in head


def test_a_muted_incident_says_why_nobody_was_told():
    assert "nobody was told: history" in incident_text(replace(INCIDENT, muted="history"), T).plain


def test_long_lists_are_cut_and_counted():
    many = replace(INCIDENT, anomalies=tuple(anomaly(f"a{n}", f"s{n}", rarity=n) for n in range(9)), alerts=())
    lines = incident_text(many, T).plain.splitlines()
    assert [line.split()[-9 if "more" not in line else 1] for line in lines[3:9]][-1] == "4"
    assert "s8  p95 latency" in lines[3]
    assert lines[8].strip() == "and 4 more"


def test_others_words_cannot_break_the_block_or_the_terminal():
    text = sent(example())
    assert "\x1b" not in text
    assert 'alert He said "no"  [2J' in text


def test_print_incident_names_the_status_when_no_reason_is_given():
    file = io.StringIO()
    print_incident(Console(file=file), replace(INCIDENT, status="flapping"), T)
    assert file.getvalue().startswith(" FLAPPING  critical")


def test_a_closed_output_is_tried_again_later():
    file = io.StringIO()
    notifier = ConsoleNotifier(file)
    file.close()
    with pytest.raises(Retry, match="the console cannot be written"):
        asyncio.run(notifier.send(example()))
