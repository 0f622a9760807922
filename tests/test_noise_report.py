"""What a week cost people."""

from __future__ import annotations

from dataclasses import replace

from aiops.model import Incident, Suppressed
from aiops.noise_report import Kept, noise_report
from tests.test_policy import NOON_MS, SLOW, incident, world

END_MS = NOON_MS + 7 * 86_400_000


def page_of(name, opened_s=0, **more) -> Incident:
    return replace(incident(SLOW, name=name), opened_ms=NOON_MS + opened_s * 1000, **more)


def test_it_counts_pages_verdicts_and_how_long_they_took():
    pages = [page_of(f"i{k}") for k in range(5)]
    made = world(*pages)
    for name, answer, after_s in (
        ("i3", "expected", 60),
        ("i0", "real", 600),
        ("i1", "noise", 1200),
        ("i2", "noise", 1800),
    ):
        made.now_ms = NOON_MS + after_s * 1000 - 1
        made.book.give(name, answer, who="ann", via="api")
    held = [Suppressed("a", "alert A of cart", "cart", "repeated", 0, 0, count=4)]
    muted = page_of("m", muted="history")
    report = noise_report(Kept([*pages, muted], made.shelf.verdicts(), held), NOON_MS, END_MS)
    assert "| pages | 5 |" in report
    assert "| verdicts | 1 real, 2 noise, 1 expected |" in report
    assert "| without a verdict | 1 |" in report
    assert "| worth it (real of real and noise) | 33% |" in report
    assert "| until somebody decided, half of them | 15 min |" in report
    assert "| held back | 4 |" in report
    assert "| repeated | 4 |" in report
    assert "| `cart\\|latency_p95 up` | 2 |" in report


def test_an_undone_verdict_does_not_count_and_the_last_word_does():
    made = world(page_of("i0"), page_of("i1"))
    made.book.give("i0", "noise", who="ann", via="api")
    made.book.give("i0", "real", who="bob", via="api")
    undone = made.book.give("i1", "noise", who="ann", via="api").verdict
    made.book.undo(undone.id, who="ann", via="api")
    report = noise_report(Kept([page_of("i0"), page_of("i1")], made.shelf.verdicts(), []), NOON_MS, END_MS)
    assert "| verdicts | 1 real, 0 noise, 0 expected |" in report
    assert "| worth it (real of real and noise) | 100% |" in report


def test_rules_that_kept_nothing_quiet_are_named():
    made = world(page_of("i0"))
    made.book.give("i0", "noise", who="ann", via="api")
    (subject, rule) = next(iter(made.book.rules().items()))
    kept = Kept([page_of("i0")], made.shelf.verdicts(), [])
    assert "## Rules that kept nothing quiet" in noise_report(kept, NOON_MS, END_MS)
    used = Suppressed("x", subject, "cart", f"{rule.why}: {rule.said()}", 0, 0)
    assert "kept nothing quiet" not in noise_report(replace(kept, suppressed=[used]), NOON_MS, END_MS)


def test_without_anything_it_says_so():
    report = noise_report(Kept([], [], []), NOON_MS, END_MS)
    assert "| pages | 0 |" in report
    assert "not known: no verdict was given" in report
