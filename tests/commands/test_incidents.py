"""`explain`, `export` and `rank` on a store and folders."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aiops.errors import InputError, StoreError
from aiops.model import Event, Incident
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite
from tests.runners._world import World, saved_incidents


@pytest.fixture
def lived(tmp_path):
    """A store that one incident was written to by the service."""
    path = tmp_path / "lived.sqlite"
    World(path).run()
    return path, saved_incidents(path)[0]


def store_of(path, *incidents):
    store = open_sqlite(path)
    store.commit(Cycle(incidents))
    store.close()
    return path


def test_an_incident_is_explained_by_the_beginning_of_its_id(aiops, lived):
    path, incident = lived
    told = aiops("explain", incident.id[:5], "--store", path).stdout
    assert incident.title in told
    assert "db: 90% sure, unknown" in told
    assert "path: db > cart" in told
    assert incident.anomalies[0].explanation.split(";")[0] in " ".join(told.split())
    as_json = json.loads(aiops("explain", incident.id, "--store", path, "--format", "json").stdout)
    assert (as_json["id"], as_json["suspects"][0]["service"]) == (incident.id, "db")


def test_an_unknown_or_ambiguous_id_is_answered_with_those_there_are(aiops, tmp_path):
    one = Incident("abc1", "open", "t", "warning", 5, 5, 5)
    path = store_of(tmp_path / "s", one, replace(one, id="abc2"), replace(one, id="zzz"))
    assert "several incidents begin so" in str(aiops("explain", "ab", "--store", path).exception)
    unknown = str(aiops("explain", "q", "--store", path).exception)
    assert "there is no such incident" in unknown
    assert "abc1, abc2, zzz" in unknown
    assert "there is no such incident" in str(aiops("explain", "", "--store", path).exception)
    empty = store_of(tmp_path / "empty")
    assert "the latest are none" in str(aiops("explain", "q", "--store", empty).exception)


def test_a_file_that_is_no_store_is_refused(aiops, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database" * 100)
    result = aiops("explain", "q", "--store", path)
    assert isinstance(result.exception, StoreError)


def test_an_exported_incident_can_be_ranked_again(aiops, lived, tmp_path):
    path, incident = lived
    folder = tmp_path / "case"
    assert f"Next: aiops rank {folder}" in aiops("export", incident.id[:6], folder, "--store", path).stdout
    lines = tmp_path / "out.jsonl"
    assert aiops("rank", folder, folder, "--output", lines).exit_code == 0
    first, second = map(json.loads, lines.read_text().splitlines())
    assert first["case"] == second["case"] == "case"
    assert set(first["services"]) == {"cart", "db"}
    printed = json.loads(aiops("rank", folder).stdout)
    assert printed["services"] == first["services"]


def test_lines_of_earlier_folders_are_written_when_a_later_one_is_broken(aiops, lived, tmp_path):
    path, incident = lived
    aiops("export", incident.id, tmp_path / "case", "--store", path)
    result = aiops("rank", tmp_path / "case", tmp_path / "none", "--output", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert "case.json" in str(result.exception)
    assert len((tmp_path / "out").read_text().splitlines()) == 1


def test_what_was_never_ranked_or_hurts_nowhere_cannot_be_exported(aiops, tmp_path):
    never = store_of(tmp_path / "never", Incident("abc", "open", "t", "warning", 5, 5, 5))
    assert "was never ranked" in str(aiops("export", "abc", tmp_path / "c", "--store", never).exception)
    world = World(tmp_path / "nameless")
    world.store.put_events([Event("a", 5, "", "alert", "odd", source="alertmanager", status="firing")])
    world.run(until=lambda: world.wall.move(1) or world.pager.heard)
    (nameless,) = [i for i in saved_incidents(world.path) if i.alerts]
    if nameless.anomalies:
        pytest.fail("the alert must be alone")
    result = aiops("export", nameless.id, tmp_path / "c", "--store", world.path)
    assert "names no service" in str(result.exception)
    assert not (tmp_path / "c").exists()


def test_a_folder_that_cannot_be_made_is_an_input_error(aiops, lived, tmp_path):
    path, incident = lived
    (tmp_path / "file").write_text("")
    result = aiops("export", incident.id, tmp_path / "file" / "case", "--store", path)
    assert "cannot be written" in str(result.exception)
