"""Once a week the channel reads what its pages were worth."""

from __future__ import annotations

import asyncio

import pytest

from aiops.building.slack import weekly_noise
from aiops.errors import Reject, Unsure
from aiops.notifiers._slack_report import WEEK_MS, report_message, week_end_ms
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from tests.notifiers import _slack_rules as rules
from tests.notifiers._fake_slack import Fault
from tests.notifiers._slack_world import START_MS, incident, world

END_MS = week_end_ms(START_MS) + WEEK_MS
PAGE = (
    "# Noise from A to B\n\n| what | how much |\n|---|---|\n| pages | 3 |\n| <!channel> | `x` |\n\n## Rules\n\nnone\n"
)


def weekly(here, now_ms, asked=None):
    def make(start_ms, end_ms):
        if asked is not None:
            asked.append((start_ms, end_ms))
        return PAGE

    here.now_s = now_ms / 1000
    here.restart().report(make)
    return asyncio.run(here.notifier.tend(round(here.now_s * 1000)))


def test_it_comes_after_the_first_whole_week_once_for_the_week_before():
    with world() as here:
        asked = []
        assert weekly(here, START_MS, asked) == 3600.0
        assert weekly(here, END_MS - 60_000, asked) < 60.0
        assert here.slack.calls == []
        for _ in range(2):
            weekly(here, END_MS + 1000, asked)
        assert asked == [(END_MS - WEEK_MS, END_MS)]
        (message,) = here.slack.seen()
        assert rules.words(message["blocks"]) == (
            ":bar_chart: Noise from A to B\n• pages: 3\n• &lt;!channel&gt;: x\n*Rules*\nnone"
        )
        assert message["mentions"] == []


def test_a_report_whose_answer_is_lost_is_not_posted_twice_and_one_that_was_refused_is_tried_again():
    with world() as here:
        weekly(here, START_MS)
        here.slack.faults["chat.postMessage"].extend([Fault(error="restricted_action"), Fault(after=True)])
        with pytest.raises(Reject):
            weekly(here, END_MS)
        with pytest.raises(Unsure):
            weekly(here, END_MS + 5000)
        weekly(here, END_MS + 10_000)
        assert (len(here.slack.seen()), here.slack.duplicates()) == (1, 0)


def test_what_the_store_knows_of_a_week_is_a_message_slack_takes(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    store.commit(Cycle(incidents=[incident()]))
    message = report_message(weekly_noise(store)(START_MS - 1, START_MS + 1))
    assert rules.faults(list(message.blocks)) == []
    text = rules.words(list(message.blocks))
    assert "• pages: 1" in text
    assert "|" not in text
    store.close()


def test_without_a_report_there_is_nothing_to_tend():
    with world() as here:
        assert asyncio.run(here.notifier.tend(END_MS)) == 3600.0
        assert here.slack.calls == []
