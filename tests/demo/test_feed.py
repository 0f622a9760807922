import asyncio
import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from aiops.demo.exporters import Exporters
from aiops.demo.feed import Wall, feed
from aiops.demo.shop import Shop
from aiops.demo.story import story
from aiops.demo.topology import NAMES
from aiops.errors import Refused, Unavailable

NOW_MS = 1_795_000_020_000
MINUTE_MS = 60_000


@dataclass
class FakeWall:
    """A wall clock that moves only when somebody sleeps."""

    at_s: float = NOW_MS / 1000
    slept: list[float] = field(default_factory=list)

    def wall(self):
        async def sleep(delay_s):
            self.slept.append(delay_s)
            self.at_s += delay_s

        return Wall(lambda: self.at_s, sleep)


def send(receiver, *, days=1, until_ms=None, wall=None, url=None, **more):
    plan = story(NOW_MS, history_days=days)
    until_ms = plan.now_ms - MINUTE_MS if until_ms is None else until_ms
    wall = (wall or FakeWall()).wall()
    return plan, asyncio.run(feed(url or receiver.url, plan, until_ms=until_ms, wall=wall, **more))


def received(receiver, decode):
    series = {}
    for body in receiver.bodies("/api/v1/write"):
        for labels, samples in decode(body).items():
            series.setdefault(labels, []).extend(samples)
    return series


def test_every_sample_of_the_story_arrives_once_and_in_order(receiver, decode):
    plan, progress = send(receiver)
    steps = (plan.now_ms - plan.start_ms) // MINUTE_MS
    exporters = Exporters(seed=7, restarts=plan.restarts)
    values = exporters.read(Shop(seed=7, start_ms=plan.start_ms, faults=plan.faults).take(steps))
    series = received(receiver, decode)
    times = (plan.start_ms + MINUTE_MS * np.arange(steps)).tolist()
    assert set(series) == set(exporters.labels)
    for j, labels in enumerate(exporters.labels):
        assert [t for t, _ in series[labels]] == times
        np.testing.assert_allclose([v for _, v in series[labels]], values[:, j], rtol=1e-12)
    assert progress.done == progress.total == steps
    assert progress.time_ms == times[-1]


def test_a_deploy_is_told_before_the_first_sample_that_could_show_it(receiver, decode):
    plan, _ = send(receiver)
    seen_ms, told = 0, []
    for path, _, body in receiver.requests:
        if path == "/api/v1/events":
            event = json.loads(body)
            at_ms = int(np.datetime64(event["time"].rstrip("Z"), "ms").astype(np.int64))
            assert seen_ms < at_ms <= seen_ms + MINUTE_MS
            told.append((at_ms, event["service"], event["kind"]))
        else:
            seen_ms = max(t for samples in decode(body).values() for t, _ in samples)
    due = [(d.time_ms, d.service, "deploy") for d in plan.deploys if d.time_ms < plan.now_ms]
    assert told == due


def test_bodies_say_what_they_are(receiver):
    send(receiver)
    _, headers, _ = next(r for r in receiver.requests if r[0] == "/api/v1/write")
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def test_the_past_is_sent_without_a_pause_the_present_at_its_pace_and_then_real_time(receiver):
    wall = FakeWall()
    plan, _ = send(receiver, wall=wall, pace=120.0, until_ms=NOW_MS + 3 * MINUTE_MS)
    assert wall.slept[:39] == pytest.approx([0.5] * 39, abs=0.001)
    assert wall.at_s == pytest.approx((plan.now_ms + 3 * MINUTE_MS) / 1000)
    assert wall.slept[-1] == pytest.approx(60)


def test_an_overloaded_service_is_asked_again_after_the_time_it_asked_for(receiver, decode):
    wall = FakeWall()
    receiver.answers = [(503, {"Retry-After": "7"}), (500, {}), (503, {"Retry-After": "soon"})]
    plan, progress = send(receiver, wall=wall, pace=1e9)
    assert wall.slept[0] == 7
    assert wall.slept[1:3] == [0.1, 0.2]
    assert progress.waits == 3
    counts = {len(samples) for samples in received(receiver, decode).values()}
    assert counts == {(plan.now_ms - plan.start_ms) // MINUTE_MS}


def test_a_refusal_ends_the_feed_and_says_what_was_refused(receiver):
    receiver.answers = [(400, {})]
    with pytest.raises(Refused, match="/api/v1/write answered 400"):
        send(receiver)


def test_a_service_that_never_answers_is_given_up_after_two_minutes():
    wall = FakeWall()
    with pytest.raises(Unavailable, match="took nothing for 120 s, last answer ConnectError"):
        send(None, url="http://127.0.0.1:1", wall=wall)
    assert 120 <= sum(wall.slept) < 125


def test_progress_is_told_after_each_body(receiver):
    told = []
    _, last = send(receiver, on_progress=told.append)
    assert len(told) == len(receiver.bodies("/api/v1/write"))
    assert told[-1] == last
    assert [p.done for p in told] == sorted({p.done for p in told})


def test_the_story_has_one_bad_deploy_among_several_and_a_roll_back():
    plan = story(NOW_MS)
    assert plan.now_ms == NOW_MS - NOW_MS % MINUTE_MS
    assert plan.live_ms == plan.now_ms - 40 * MINUTE_MS
    assert plan.live_ms - plan.start_ms == 14 * 86_400_000
    bad = [f for f in plan.faults if f.size == 1.0]
    assert [f.service for f in bad] == ["payments"]
    assert {d.service for d in plan.deploys} <= set(NAMES)
    live = [d for d in plan.deploys if plan.live_ms < d.time_ms < plan.now_ms]
    assert len(live) == 5
    assert [d.time_ms for d in live if d.service == "payments"] == [bad[0].start_ms]
    assert any(0 < bad[0].start_ms - d.time_ms <= 2 * MINUTE_MS for d in live)
    assert [d.time_ms for d in plan.deploys if d.time_ms >= plan.now_ms] == [bad[0].end_ms]
    assert list(plan.deploys) == sorted(plan.deploys, key=lambda d: d.time_ms)


def test_the_same_moment_gives_the_same_story():
    assert story(NOW_MS) == story(NOW_MS)
    assert story(NOW_MS) != story(NOW_MS, seed=8)
