import asyncio
import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx

from aiops.web.timeline import timeline
from rca import Change, Evidence, Ranking, Suspect

SCRIPT = "<script>alert(1)</script>"
QUOTE = '"><img src=x onerror=alert(1)>'


def page(client: httpx.AsyncClient, path: str) -> httpx.Response:
    return asyncio.run(client.get(path))


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


def test_the_overview_shows_live_incidents_before_resolved_ones(client: Any, backend: Any, sample: Any) -> None:
    over = replace(sample.incident, id="old", title="old trouble", status="resolved", resolved_ms=1_700_001_500_000)
    forming = replace(sample.incident, id="new", title="new trouble", status="forming", ranking=Ranking())
    backend.known = [over, forming, sample.incident]
    text = page(client(), "/").text
    places = [text.index(t) for t in ("payments is slow after a deploy", "new trouble", "Resolved", "old trouble")]
    assert places == sorted(places)
    assert "Probable cause: <b>payments</b> (83%)" in text
    assert "lasted 25 min" in text
    assert "for 4 min 5 s" in text
    assert "No cause stands out yet." in text


def test_the_overview_says_when_all_is_well_and_when_the_monitoring_is_not(client: Any, backend: Any) -> None:
    backend.known = []
    assert "No incident is open." in page(client(), "/").text
    backend.reasons = ["prometheus: connection refused"]
    text = page(client(), "/").text
    assert "prometheus: connection refused" in text
    assert "Not all is well" in text


def test_the_overview_says_that_there_is_more(client: Any, backend: Any, sample: Any) -> None:
    backend.known = [replace(sample.incident, id=str(i), status="resolved", resolved_ms=2) for i in range(101)]
    assert "The newest 100 are shown" in page(client(), "/").text


def test_an_incident_is_told_with_cause_path_evidence_and_numbers(client: Any) -> None:
    text = page(client(), "/incidents/5f0c1b2a").text
    for part in (
        "1. payments",
        "payments was deployed 2 min before it became slow",
        "<b>payments</b> &rarr; <b>checkout</b> &rarr; <b>gateway</b>",
        "deploy of payments v2.14.0 2 min before the start",
        '<li class="against">its database is as busy as always</li>',
        "1.9 s, 6.1x the expected 310 ms",
        "200 ms to 440 ms",
        "rarer than once in 90 days",
        "no data where 120 req/s is expected",
        "CheckoutSlow: p95 over 1 s for 1 min",
        "/pay",
    ):
        assert part in text
    assert "nan" not in text.lower()
    assert "4. other" not in text


def test_an_unranked_or_muted_incident_says_so(client: Any, backend: Any, sample: Any) -> None:
    backend.known = [replace(sample.incident, ranking=Ranking(notes=("the ranker failed",)), muted="history", flaps=2)]
    text = page(client(), "/incidents/5f0c1b2a").text
    assert "Not ranked yet." in text
    assert "the ranker failed" in text
    assert "Nobody was told: history" in text
    assert "came back 2 times" in text
    backend.known = [replace(sample.incident, ranking=replace(sample.incident.ranking, unknown=True))]
    assert "Best guesses, no cause stands out" in page(client(), "/incidents/5f0c1b2a").text


def test_an_incident_nobody_knows_is_a_page_with_a_way_back(client: Any) -> None:
    answer = page(client(), "/incidents/nope")
    assert answer.status_code == 404
    assert 'href="../"' in answer.text


def test_only_live_incidents_load_themselves_again(client: Any, backend: Any, sample: Any) -> None:
    assert 'http-equiv="refresh" content="15"' in page(client(), "/incidents/5f0c1b2a").text
    assert 'http-equiv="refresh" content="60"' in page(client(refresh_s=60), "/").text
    backend.known = [replace(sample.incident, status="resolved", resolved_ms=1_700_000_100_000)]
    assert 'http-equiv="refresh"' not in page(client(), "/incidents/5f0c1b2a").text


def hostile(sample: Any) -> Any:
    bad = SCRIPT + QUOTE
    series = replace(sample.slow.series, service=bad, peer=bad, signal=bad, labels=((bad, bad),))
    anomaly = replace(sample.slow, series=series, unit=bad, explanation=bad, value=2.0, detectors=((bad, 1.0),))
    event = replace(sample.deploy, service=bad, description=bad, url="javascript:alert(1)")
    alert = replace(sample.alert, service=bad, description=bad, url="data:text/html,x")
    change = Change(1, bad, bad, bad, "javascript:alert(1)")
    suspect = Suspect(bad, bad, 1.0, 0.9, "deploy", bad, (bad, bad), (Evidence(bad, 0.5, bad),), change)
    return replace(
        sample.incident,
        title=bad,
        services=(bad,),
        anomalies=(anomaly,),
        alerts=(alert,),
        events=(event,),
        ranking=Ranking((suspect,), unknown=False, notes=(bad,)),
        muted=bad,
    )


def test_nothing_from_outside_becomes_markup(client: Any, backend: Any, sample: Any) -> None:
    backend.known = [hostile(sample)]
    backend.reasons = [SCRIPT]
    for path in ("/", "/incidents/5f0c1b2a"):
        text = page(client(), path).text
        seen = Tags(text)
        assert html.escape(SCRIPT, quote=False) in text
        assert not seen.tags & {"script", "img", "iframe", "form"}
        assert seen.handlers == []
        assert not [link for link in seen.links if link.startswith(("javascript:", "data:text"))]


def test_links_are_relative_so_that_any_prefix_works(client: Any) -> None:
    for path in ("/", "/incidents/5f0c1b2a", "/incidents/nope"):
        own = [link for link in Tags(page(client(), path).text).links if "example" not in link]
        assert own
        assert not [link for link in own if link.startswith("/") or "://" in link]


def test_the_policy_allows_exactly_the_style_of_the_page(client: Any) -> None:
    answer = page(client(), "/")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_the_story_is_in_order_and_a_cause_comes_before_its_effect(sample: Any) -> None:
    at_start = replace(sample.deploy, time_ms=sample.incident.started_ms)
    ended = replace(sample.alert, status="resolved")
    story = timeline(replace(sample.incident, events=(at_start,), alerts=(ended,), resolved_ms=1_700_000_300_000))
    assert [m.kind for m in story] == ["change", "deviation", "deviation", "incident", "alert", "incident"]
    assert story[-2].text.endswith("(resolved)")
    assert (story[-1].when, story[-1].text) == ("+5 min", "resolved")


def test_a_muted_incident_says_in_its_story_that_nobody_was_told(sample: Any) -> None:
    texts = [m.text for m in timeline(replace(sample.incident, muted="maintenance"))]
    assert "opened, nobody was told: maintenance" in texts


def test_events_without_a_description_still_have_a_line(sample: Any) -> None:
    bare = replace(sample.incident, events=(replace(sample.deploy, description=""),), anomalies=(), opened_ms=None)
    story = timeline(replace(bare, alerts=(replace(sample.alert, description=""),)))
    assert [m.text for m in story] == ["deploy", "alert"]


def test_a_page_of_a_storm_stays_short_and_says_so(client: Any, backend: Any, sample: Any) -> None:
    storm = tuple(replace(sample.slow, id=str(i)) for i in range(400))
    backend.known = [replace(sample.incident, anomalies=storm)]
    text = page(client(), "/incidents/5f0c1b2a").text
    assert "The first 50 of 400 are shown" in text
    assert "The first 50 of 403 are shown" in text
    assert len(text) < 60_000
