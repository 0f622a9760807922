"""The Markdown page of an incident."""

from __future__ import annotations

import re
from dataclasses import replace

from aiops.model import Incident, Notification
from aiops.postmortem import Known, postmortem
from aiops.stores import Outgoing
from tests._verdict_world import World
from tests.runners._world import World as Shop
from tests.web.conftest import INCIDENT, START_MS

SENT = Outgoing(Notification("k", INCIDENT, "chat", "opened", START_MS + 30_000), 1, state="done")


def test_it_tells_what_happened_who_was_told_and_what_they_said():
    made = World(INCIDENT, now_ms=START_MS + 240_000)
    made.book.give(INCIDENT.id, "noise", who="ann", via="page", note="load test")
    page = postmortem(Known(INCIDENT, [SENT, replace(SENT, state="dead", note="HTTP 404")], made.book.all()))
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == [
        "Summary",
        "Probable cause",
        "Timeline",
        "Deviations",
        "Messages",
        "Verdicts",
        "What went well, what did not",
        "Actions",
    ]
    assert page.startswith("# payments is slow after a deploy\n")
    assert "1. **payments** (83%): payments was deployed 2 min before it became slow" in page
    assert "| 2023-11-14T22:11:20Z | 2 min before | change | payments | deploy: payments v2.14.0 |" in page
    assert "1.9 s, 6.1x the expected 310 ms" in page
    assert "| 2023-11-14T22:13:50Z | chat | opened | delivered |  |" in page
    assert "| given up | HTTP 404 |" in page
    assert "| ann | noise | load test |" in page
    assert "payments\\|latency\\_p95{route=/pay} up: told -&gt; " in page.replace("->", "-&gt;")


def test_charts_are_pictures_and_numbers_of_what_the_ranker_saw(tmp_path):
    shop = Shop(tmp_path / "a.sqlite")
    shop.run()
    from aiops.stores.sqlite import open_sqlite
    from aiops.wire import decode_case

    store = open_sqlite(tmp_path / "a.sqlite", read_only=True)
    (incident,) = store.incidents()
    case = decode_case(store.case(incident.id))
    store.close()
    page = postmortem(Known(incident, case=case))
    assert page.count("```mermaid\nxychart-beta") == 2
    drawn = re.search(r"line \[(.*)\]", page)
    assert drawn
    assert len(drawn[1].split(",")) <= 40
    csv = page.split("```csv\ntime,value\n")[1].split("\n```")[0].splitlines()
    assert len(csv) > 200
    assert max(float(line.split(",")[1]) for line in csv) == 1.5


def test_what_was_said_by_strangers_is_no_markup_of_ours():
    evil = replace(INCIDENT, title="<script>|x|\n# [a](javascript:1)", muted="*history*")
    page = postmortem(Known(evil))
    assert "\\<script>" in page
    assert "\n# \\[" not in page
    assert page.count("\n# ") == 0
    assert "| nobody was told | \\*history\\* |" in page


def test_an_incident_of_which_little_is_known_is_a_page_too():
    bare = Incident("i", "open", "cart: Down", "warning", START_MS, START_MS)
    page = postmortem(Known(bare))
    assert "It was not ranked." in page
    assert "| over | not yet |" in page
    assert "None were sent." in page
    assert "## Charts" not in page
    assert "## Verdicts" not in page
