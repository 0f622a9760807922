"""`replay` on files and on a Prometheus."""

from __future__ import annotations

import asyncio
import json

import pytest

from aiops.commands.history import _period, print_result, time_ms
from aiops.errors import InputError
from aiops.model import Event
from aiops.runners.replay import Replayed
from aiops.sources.replay_file import saved_to
from tests.runners._world import FAULT, Feed, row_ms, shop_values


@pytest.fixture
def recording(tmp_path):
    """The shop's rows, all of them: a replay file has no history."""
    path, feed = tmp_path / "shop.replay", Feed(size=100)
    alert = Event("a", row_ms(FAULT.start + 3), "cart", "alert", "Slow", source="prometheus", status="firing")

    async def save():
        async def rows():
            async for batch in feed.read(None):
                yield type(batch)(batch.position, batch.blocks)

        async for _ in saved_to(path, rows(), feed.table, name="shop", step_s=30.0, events=[alert]):
            pass

    asyncio.run(save())
    return path


def test_a_file_is_replayed_and_told_as_text_and_json(aiops, recording, tmp_path):
    (tmp_path / "graph.yaml").write_text("edges: {cart: [db]}\n")
    settings = tmp_path / "aiops.yaml"
    settings.write_text("graph: {file: graph.yaml}\n")
    told = aiops("replay", "--file", recording, "--config", settings)
    assert told.exit_code == 0, told.output
    assert "1 alert -> 1 incident -> 1 page;" in told.stdout
    as_json = json.loads(aiops("replay", "--file", recording, "--config", settings, "--format", "json").stdout)
    assert (as_json["alerts"], as_json["pages"], as_json["samples"]) == (1, 1, shop_values().size)
    assert as_json["incidents"][0]["services"] == ["cart", "db"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "x", "--start", "7d"], "--file excludes"),
        (["--file", "x", "--save", "y"], "--file excludes"),
        (["--file", "none.replay"], "none.replay: cannot be read"),
        (["--start", "7d"], "give --prometheus URL"),
        (["--start", "1d", "--end", "2d", "--prometheus", "http://p"], "--start must be before --end"),
        (["--start", "yesterday"], "is neither RFC 3339 nor like 7d"),
        (["--start", "9" * 400 + "w"], "is neither RFC 3339 nor like 7d"),
        (["--start", "2026-03-01T00:00:00"], "has no time zone"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_arguments_that_do_not_fit_are_refused(aiops, arguments, said):
    result = aiops("replay", *arguments)
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)


def test_times_are_moments_or_ages():
    assert time_ms("1.5h ago", "--start", 10_000_000) == 10_000_000 - 5_400_000
    assert time_ms("2026-03-01T00:00:00Z", "--start", 0) == 1_772_323_200_000
    assert _period("2026-03-01T00:00:00Z", "2026-03-01T01:00:00+00:00").end_ms == 1_772_326_800_000


def test_one_of_several_servers_must_be_chosen(aiops, tmp_path):
    settings = tmp_path / "aiops.yaml"
    settings.write_text("prometheus: [{url: 'http://127.0.0.1:1'}, {url: 'http://127.0.0.1:2'}]\n")
    result = aiops("replay", "--start", "1h", "--config", settings)
    assert "choose one with --prometheus" in str(result.exception)


def test_a_time_of_which_there_is_nothing_is_said_to_be_so(capsys):
    print_result(Replayed())
    told = capsys.readouterr().out
    assert told.startswith(
        "no alerts -> no incidents -> no pages; 0 samples in 0.0 s of our own time\nNothing was found"
    )
    print_result(Replayed(samples=1))
    assert "Nothing was found" not in capsys.readouterr().out
