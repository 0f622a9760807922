"""What is wrong at the start: one line that names file, key and rule and says what to do, status 1, no traceback."""

import logging
import sqlite3
import sys
from pathlib import Path

import pytest

from aiops.__main__ import main
from aiops.stores.sqlite import open_sqlite
from tests.services._aiops_process import free_port

RUN = ("run", "--config", "aiops.yaml")
SETTINGS = {
    "no YAML": ("a: [1, 2", "is not valid YAML"),
    "a tab in YAML": ("push:\n\tstep_s: 1", "is not valid YAML"),
    "bytes": (b"\xff\xfe\x00", "cannot be read"),
    "a list": ("- push", "top level"),
    "an unknown section": ("pull: {}", "unknown field `pull`"),
    "an unknown key": ("push: {stepp_s: 1}", "push: Object contains unknown field `stepp_s`"),
    "a wrong type": ("push: {step_s: fast}", "push.step_s: Expected `float`"),
    "a value out of range": ("push: {step_s: 0}", "push.step_s: Expected `float` >= 1"),
    "an unknown kind of notifier": ("notifiers: [{kind: pigeon}]", "notifiers[0].kind"),
    "a missing secret": ("listen: {token_file: none}", "listen.token_file: names a file that is missing: none"),
    "a missing graph": ("graph: {file: none.yaml}", "graph.file: names a file that is missing: none.yaml"),
    "a missing authority": ("prometheus: [{url: 'http://a', ca_file: ca.pem}]", "prometheus[0].ca_file: names a file"),
    "an unset variable": ("store: {path: '${NOWHERE_SET}'}", "store.path: environment variable NOWHERE_SET is not set"),
    "a step that is no whole number of milliseconds": (
        "push: {step_s: 1.00001}",
        "push.step_s: must be a whole number",
    ),
    "an unknown pack": ("push: {packs: [nope]}", "push.packs: there is no pack 'nope'"),
    "a wrong recipe of one's own": ("signals: [{signal: x}]", "signals"),
}


@pytest.fixture
def fails(tmp_path, monkeypatch, capsys):
    """Run a command that must fail, in a folder of its own; what it says."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers = set(root.handlers)
    monkeypatch.setattr(root, "level", root.level)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["aiops", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == 1, said
        last = said.err.splitlines()[-1]
        assert last.startswith("aiops: ")
        assert "Traceback" not in said.err
        for handler in set(root.handlers) - handlers:
            root.removeHandler(handler)
        return last

    return run


@pytest.mark.parametrize("what", SETTINGS)
@pytest.mark.parametrize("command", [RUN, ("check-config", "aiops.yaml")], ids=["run", "check-config"])
def test_a_wrong_configuration_is_told_by_file_key_and_rule(fails, what, command):
    text, rule = SETTINGS[what]
    Path("aiops.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    said = fails(*command)
    assert rule in said


def test_an_address_nobody_can_listen_on_is_named(fails):
    Path("aiops.yaml").write_text("listen: {host: 300.1.1.1, port: 0}", encoding="utf-8")
    assert "listen: 300.1.1.1:0: cannot listen there: " in fails(*RUN)


def test_a_configuration_that_is_missing_is_named(fails):
    assert "nowhere.yaml: is not there; `aiops init" in fails("run", "--config", "nowhere.yaml")


STORES = {
    "text": (b"this is no database but it is long enough" * 100, "this is no SQLite file; name another path, or move"),
    "zeros": (b"\x00" * 5000, "move it away to start with an empty store"),
}


@pytest.mark.parametrize("what", STORES)
def test_a_store_that_is_none_is_refused_with_what_to_do_and_left_alone(fails, what):
    content, rule = STORES[what]
    Path("aiops.yaml").write_text("listen: {port: 0}", encoding="utf-8")
    Path("aiops.sqlite").write_bytes(content)
    assert rule in fails(*RUN)
    assert Path("aiops.sqlite").read_bytes() == content


def test_a_store_that_another_program_keeps_locked_or_another_service_uses_is_named(fails):
    Path("aiops.yaml").write_text("listen: {port: 0}", encoding="utf-8")
    store = open_sqlite(Path("aiops.sqlite"))
    assert "aiops.sqlite: another process works with this store; end it first" in fails(*RUN)
    store.close()
    shell = sqlite3.connect("aiops.sqlite", isolation_level=None)
    shell.execute("PRAGMA journal_mode = DELETE")
    shell.execute("BEGIN EXCLUSIVE")
    assert "another program keeps the file locked: end it" in fails(*RUN)
    shell.close()


TABLES = {
    "no text": (b"\xff\xfe\x00\x00", ""),
    "no table": (b"<html>", "timestamp"),
    "another header": (b"a,b\n1,2\n", "timestamp"),
    "rows of other lengths": (b"timestamp,value\n1,2,3\n4\n", ""),
    "words for numbers": (b"timestamp,value\n1700000000,high\n", "value"),
    "words for times": (b"timestamp,value\nyesterday,1\n", "timestamp"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_csv_that_is_wrong_is_told_by_file_and_column(fails, what):
    content, rule = TABLES[what]
    Path("in.csv").write_bytes(content)
    said = fails("score", "in.csv", "--output", "out.csv")
    assert "in.csv" in said
    assert rule in said
    assert not Path("out.csv").exists()


def test_files_of_other_commands_that_are_missing_or_wrong_are_named(fails):
    Path("broken.jsonl").write_bytes(b"\xff{nope")
    Path("case").mkdir()
    Path("case/case.json").write_text("{", encoding="utf-8")
    assert "none.csv" in fails("score", "none.csv", "--output", "out.csv")
    assert "broken.jsonl" in fails("replay", "--file", "broken.jsonl")
    assert "none.jsonl" in fails("replay", "--file", "none.jsonl")
    assert "case" in fails("rank", "case")
    assert "nowhere" in fails("rank", "nowhere")
    assert "aiops.sqlite: there is no store" in fails("explain", "abc")
    assert "aiops.sqlite: there is no store" in fails("export", "abc", "folder")


def test_an_unreachable_prometheus_is_named_by_commands_that_cannot_wait(fails):
    address = f"http://127.0.0.1:{free_port()}"
    assert address in fails("init", "--prometheus", address)
    assert address in fails("replay", "--prometheus", address, "--start", "1h")
    assert not Path("aiops.yaml").exists()
