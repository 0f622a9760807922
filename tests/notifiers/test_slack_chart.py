"""The picture in the thread: the right line, the right times, and never a reason to lose the words."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from aiops.errors import StoreError
from aiops.notifiers._slack_chart import BEFORE_MS, _line, can_draw, chart
from aiops.wire import encode_case
from rca import Case, Column, ServiceGraph, Symptom
from tests.notifiers._fake_slack import SCOPES, Fault
from tests.notifiers._slack_world import START_MS, anomaly, incident, world

pytest.importorskip("matplotlib")
STEP_MS = 30_000


COLUMNS = (Column("cart", "latency_p95"), Column("checkout", "latency_p95"))


def case_of(columns=COLUMNS, rows=240):
    times = START_MS + STEP_MS * np.arange(-(rows - 20), 20)
    rng = np.random.default_rng(3)
    values = 0.31 * (1 + 0.1 * rng.standard_normal((rows, len(columns))))
    values[times >= START_MS, -1] = 1.9
    values[rows // 2, -1] = np.nan
    symptom = Symptom("checkout", "latency_p95", "latency")
    return Case("i", times, times >= START_MS, columns, values, ServiceGraph(), symptom, START_MS, 30.0)


def size_of(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack("!II", png[16:24])


def test_it_is_a_small_png():
    png = chart(incident(), encode_case(case_of()))
    assert size_of(png) == (704, 286)
    assert len(png) < 100_000


def test_its_line_is_that_of_the_signal_that_hurts_most_from_an_hour_before_the_start():
    times, values = _line(case_of(), anomaly())
    assert times[0] == START_MS - BEFORE_MS
    assert values[-1] == 1.9
    assert np.isnan(values).sum() == np.sum(times == case_of().times[120])


@pytest.mark.parametrize(
    "one",
    [
        incident(anomalies=()),
        incident(anomalies=(anomaly("nowhere"),)),
        incident(anomalies=(anomaly(pages=False),)),
        incident(anomalies=(anomaly(started_ms=START_MS + 10**9),)),
    ],
)
def test_where_there_is_no_line_there_is_no_picture(one):
    assert chart(one, encode_case(case_of())) is None


@pytest.mark.parametrize("odd", [{"lower": float("nan")}, {"lower": -0.5}, {"unit": "ratio"}, {"unit": "$x_{"}])
def test_odd_bands_and_units_are_drawn_too(odd):
    one = incident(anomalies=(anomaly(**odd),), resolved_ms=START_MS + 60_000)
    assert size_of(chart(one, encode_case(case_of()))) == (704, 286)


def test_names_with_a_meaning_to_matplotlib_are_only_names():
    columns = (Column("$\\frac{_", "latency_p95"),)
    one = incident(anomalies=(anomaly("$\\frac{_"),))
    assert size_of(chart(one, encode_case(case_of(columns)))) == (704, 286)


def test_a_damaged_case_is_an_error_of_the_store():
    with pytest.raises(StoreError):
        chart(incident(), b"nonsense")


# -- in Slack


def with_chart(here, draw=chart):
    here.chart = draw
    here.saved.cases["0123456789ab"] = encode_case(case_of())
    here.restart()


def files(here):
    return [m for m in here.slack.messages if "file" in m]


def test_it_is_put_into_the_thread_once_with_words_for_those_who_cannot_see_it():
    assert can_draw()
    with world() as here:
        with_chart(here)
        here.tell(incident())
        here.tell(replace(incident(), status="flapping", updated_ms=START_MS + 120_000), "flapping")
        (file,) = files(here)
        assert file["thread_ts"] == here.slack.seen()[0]["ts"]
        assert size_of(file["file"])[0] == 704
        assert file["alt"] == "checkout: p95 latency with its usual band, from 14 Nov 22:13 UTC"


@pytest.mark.parametrize("step", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("fault", [Fault(), Fault(503), Fault(error="storage_limit_reached"), Fault(after=True)])
def test_a_picture_that_fails_costs_nothing_but_itself_and_is_never_there_twice(step, fault):
    with world() as here:
        with_chart(here)
        here.slack.faults[step].append(fault)
        here.tell(incident())
        here.restart()
        here.tell(replace(incident(), status="flapping", updated_ms=START_MS + 120_000), "flapping")
        assert len(here.slack.thread(here.slack.seen()[0]["ts"])) - len(files(here)) == 2
        assert len(files(here)) == (1 if fault.after and "complete" in step else 0)


def test_without_the_right_to_upload_or_with_a_painter_that_fails_the_words_arrive():
    def broken(*_):
        raise ZeroDivisionError

    for draw in (chart, broken, lambda *_: None):
        with world() as here:
            here.slack.tokens["xoxb-good"] = SCOPES - {"files:write"}
            with_chart(here, draw)
            here.tell(incident())
            assert len(here.slack.thread(here.slack.seen()[0]["ts"])) == 1


def test_without_a_case_or_matplotlib_there_is_no_picture_and_no_error():
    for draw, cases in ((chart, {}), (None, {"0123456789ab": b"x"})):
        with world() as here:
            with_chart(here, draw)
            here.saved.cases = cases
            here.tell(incident())
            assert files(here) == []
            assert "files.getUploadURLExternal" not in here.slack.methods()
