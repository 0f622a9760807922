"""What a stretch of time cost people, as Markdown: pages, how many were worth it, how long that took to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from aiops import words
from aiops.model import Incident, Suppressed, Verdict
from aiops.policy import Policy, holding

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store keeps of the time: incidents that began in it, all verdicts, and what was held back in it."""

    incidents: Sequence[Incident]
    verdicts: Sequence[Verdict]
    suppressed: Sequence[Suppressed]


def noise_report(kept: Kept, start_ms: int, end_ms: int) -> str:
    """The report of a stretch of time."""
    pages = [i for i in kept.incidents if i.opened_ms is not None and not i.muted]
    last = _last_word(kept.verdicts, {i.id for i in pages})
    answers = Counter(verdict.answer for verdict in last.values())
    judged = answers["real"] + answers["noise"]
    precise = words.plain_percent(answers["real"] / judged) if judged else "not known: no verdict was given"
    opened = {i.id: i.opened_ms for i in pages if i.opened_ms is not None}
    waits_ms = [v.at_ms - opened[name] for name, v in last.items()]
    facts = [
        ("pages", str(len(pages))),
        ("verdicts", ", ".join(f"{answers[a]} {a}" for a in ("real", "noise", "expected"))),
        ("without a verdict", str(len(pages) - len(last))),
        ("worth it (real of real and noise)", precise),
        ("until somebody decided, half of them", words.span(round(median(waits_ms))) if waits_ms else "-"),
        ("held back", str(sum(one.count for one in kept.suppressed))),
    ]
    parts = [
        f"# Noise from {words.clock(start_ms)} to {words.clock(end_ms)}\n",
        _table(("what", "how much"), facts),
        _noisiest(kept.verdicts, start_ms),
        _held_back(kept.suppressed),
        _rules(kept, end_ms),
    ]
    return "\n".join(part for part in parts if part)


def _last_word(verdicts: Sequence[Verdict], pages: set[str]) -> dict[str, Verdict]:
    """The latest verdict that was not undone, by incident."""
    given = [v for v in verdicts if v.undone_ms is None and v.incident_id in pages]
    return {v.incident_id: v for v in sorted(given, key=lambda v: v.at_ms)}


def _noisiest(verdicts: Sequence[Verdict], start_ms: int) -> str:
    noise = [v for v in verdicts if v.answer == "noise" and v.undone_ms is None and v.at_ms >= start_ms]
    counts = Counter(subject for v in noise for subject in {s.subject for s in v.spoke})
    rows = [(f"`{subject}`", str(count)) for subject, count in counts.most_common(SHOWN)]
    return "## What was called noise\n\n" + _table(("what spoke", "times"), rows) if rows else ""


def _held_back(suppressed: Sequence[Suppressed]) -> str:
    counts = Counter[str]()
    for one in suppressed:
        counts[one.reason] += one.count
    rows = [(reason, str(count)) for reason, count in counts.most_common(SHOWN)]
    return "## What was held back\n\n" + _table(("why", "how often"), rows) if rows else ""


def _rules(kept: Kept, now_ms: int) -> str:
    """Rules that kept nothing quiet may as well be undone."""
    rules = Policy(holding(kept.verdicts, now_ms)).rules(now_ms)
    used = {(one.subject, one.reason) for one in kept.suppressed}
    idle = [
        (f"`{subject}`", rule.said(), rule.why)
        for subject, rule in sorted(rules.items())
        if rule.why and (subject, f"{rule.why}: {rule.said()}") not in used
    ]
    return "## Rules that kept nothing quiet\n\n" + _table(("about", "rule", "why"), idle) if idle else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
