"""`postmortem`, `noise-report`, `dead-letters` and `suppressed` on a store that the service has written."""

from __future__ import annotations

import json

import pytest

from aiops.errors import InputError
from aiops.model import Suppressed
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from tests.runners._world import World, saved_incidents


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    path = tmp_path_factory.mktemp("lived") / "a.sqlite"
    World(path).run()
    return path


def test_a_post_mortem_is_printed_or_written(aiops, lived, tmp_path):
    (incident,) = saved_incidents(lived)
    told = aiops("postmortem", incident.id[:6], "--store", lived)
    assert told.stdout.startswith("# ")
    assert "xychart-beta" in told.stdout
    assert "| pager | resolved | delivered |" in told.stdout
    written = aiops("postmortem", incident.id, "--store", lived, "--output", tmp_path / "page.md")
    assert written.stdout == f"Written: {tmp_path / 'page.md'}\n"
    assert (tmp_path / "page.md").read_text() == told.stdout
    assert isinstance(aiops("postmortem", "nope", "--store", lived).exception, InputError)
    lost = aiops("postmortem", incident.id, "--store", lived, "--output", tmp_path / "none" / "page.md")
    assert "cannot be written" in str(lost.exception)


def test_a_noise_report_is_about_the_last_days(aiops, lived):
    assert "| pages | 0 |" in aiops("noise-report", "--store", lived).stdout, "the world's clock stands in the past"
    assert isinstance(aiops("noise-report", "--days", "0", "--store", lived).exception, InputError)


def test_dead_letters_are_listed_with_what_was_said_last(aiops, tmp_path):
    path = tmp_path / "a.sqlite"
    World(path).run()
    assert aiops("dead-letters", "--store", path).stdout == "There are no dead letters.\n"
    store = open_sqlite(path)
    (incident,) = store.incidents()
    (key, *_) = [row.notification.key for row in store.outgoing(incident.id)]
    store.dead(key, "HTTP 404")
    store.close()
    told = aiops("dead-letters", "--store", path).stdout
    assert told.startswith(f"{key}\n")
    assert "given up after 2 attempts: HTTP 404" in told
    (row,) = json.loads(aiops("dead-letters", "--store", path, "--format", "json").stdout)["dead_letters"]
    assert (row["key"], row["state"]) == (key, "dead")


def test_what_was_held_back_is_listed_with_its_reasons(aiops, tmp_path):
    path = tmp_path / "a.sqlite"
    store = open_sqlite(path)
    many = [Suppressed(f"a{k}", "alert Slow of cart", "cart", "repeated", 5, 10**14, count=2) for k in range(51)]
    store.commit(Cycle(suppressed=[*many, Suppressed("b", "alert Old", "", "late", 5, 5)]))
    store.close()
    told = aiops("suppressed", "--store", path).stdout
    assert "alert Slow of cart, 2 times\n  repeated" in told
    assert "... 1 more" in told
    assert told.endswith("   102  repeated\n")
    as_json = json.loads(
        aiops("suppressed", "--since", "1970-01-01T00:00:00Z", "--store", path, "--format", "json").stdout
    )
    assert len(as_json["suppressed"]) == 52
    assert aiops("suppressed", "--incident", "i1", "--store", path).stdout == "Nothing was held back.\n"
