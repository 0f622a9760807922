"""Everything that goes wrong with a file, done for real."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from aiops.errors import Overloaded, StoreError
from aiops.model import Event, Incident, Notification
from aiops.stores import Cycle
from aiops.stores.sqlite import open_sqlite

ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))

INCIDENT = Incident("i1", "open", "cart: slow", "warning", 1000, 1000, 1000, services=("cart",))


def run(code, *arguments):
    """A process with the store module at hand; its standard output is piped."""
    program = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


WRITER = """
    import itertools, sys
    from pathlib import Path
    from aiops.model import Event, Incident, Notification
    from aiops.stores import Cycle
    from aiops.stores.sqlite import open_sqlite

    store = open_sqlite(Path(sys.argv[1]))
    first = store.positions().get("prom", -1) + 1
    for n in itertools.count(first):
        incident = Incident(f"i{n}", "open", "t" * (n % 7) * 500, "warning", n, n, n)
        store.put_events([Event(f"e{n}", n, "cart", "alert", status="firing")])
        rows = store.inbox()
        store.commit(Cycle([incident], [Notification(f"k{n}", incident, "pager", "opened", n)], {"prom": n},
                           {"triage": b"%d" % n}, [r.number for r in rows], {"prom": b"x" * 20000}))
        print(n, flush=True)
"""


def test_kill_9_at_random_moments_loses_no_cycle_and_leaves_no_half_one(tmp_path):
    path, rng, said = tmp_path / "a.sqlite", random.Random(7), -1
    for _ in range(ROUNDS):
        process = run(WRITER, path)
        assert process.stdout is not None
        for _ in range(rng.randint(1, 25)):
            said = max(said, int(process.stdout.readline()))
        # It is killed in the middle of whatever it does now.
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        said = max([said, *rest])
        store = open_sqlite(path)
        saved = store.positions()["prom"]
        # One cycle may have been saved and killed before it could say so.
        assert saved in (said, said + 1)
        assert store.state("triage") == b"%d" % saved
        assert [i.id for i in store.incidents(limit=10**6)] == [f"i{n}" for n in range(saved, -1, -1)]
        assert store.counts()["outbox"] == saved + 1
        assert {r.event.id for r in store.inbox()} <= {f"e{saved + 1}"}
        store.close()


def test_a_second_process_is_told_that_the_store_is_in_use(tmp_path):
    path = tmp_path / "a.sqlite"
    holder = run(
        """
        import sys
        from pathlib import Path
        from aiops.stores.sqlite import open_sqlite
        store = open_sqlite(Path(sys.argv[1]))
        print("open", flush=True)
        sys.stdin.read()
        """,
        path,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match=r"a\.sqlite: another process works with this store; end it first"):
        open_sqlite(path)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    open_sqlite(path).close()


def test_a_file_locked_by_another_program_is_waited_for_and_then_said(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite", busy_timeout_s=0.05)
    shell = sqlite3.connect(store.database.path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program keeps the file locked"):
        store.commit(Cycle(positions={"prom": 1}))
    with pytest.raises(Overloaded, match="locked"):
        store.put_events([Event("a", 1, "cart", "alert")])
    shell.execute("ROLLBACK")
    shell.close()
    store.commit(Cycle(positions={"prom": 1}))
    assert store.positions() == {"prom": 1}
    store.close()


def test_a_full_disk_fails_the_cycle_whole_and_the_next_one_works(tmp_path):
    """The limit on the size of files stands in for the disk."""
    process = run(
        """
        import resource, sys
        from pathlib import Path
        from aiops.errors import StoreError
        from aiops.model import Incident
        from aiops.stores import Cycle
        from aiops.stores.sqlite import open_sqlite

        store = open_sqlite(Path(sys.argv[1]))
        store.commit(Cycle(positions={"prom": 1}))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        big = Cycle([Incident("i", "open", "t", "warning", 1, 1, 1)], (), {"prom": 2}, {"triage": b"x" * 2_000_000})
        for _ in range(2):
            try:
                store.commit(big)
            except StoreError as error:
                print(error)
        print(store.positions(), store.state("triage"), store.incidents())
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.commit(big)
        print(store.positions(), len(store.state("triage")), len(store.incidents()))
        """,
        tmp_path / "a.sqlite",
    )
    out, _ = process.communicate(timeout=60)
    first, second, during, after = out.splitlines()
    assert "nothing was written" in first
    assert second == first
    assert during == "{'prom': 1} None []"
    assert after == "{'prom': 2} 2000000 1"


def test_no_room_in_the_database_is_a_full_disk(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    store.database.writer.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="the disk is full: make room"):
        store.commit(Cycle([INCIDENT], (), {"prom": 1}, {"triage": b"x" * 500_000}))
    with pytest.raises(StoreError, match="the disk is full: make room"):
        store.put_events([Event(f"e{n}", n, "cart", "alert", "x" * 5000) for n in range(100)])
    assert (store.positions(), store.incidents(), store.inbox()) == ({}, [], [])
    store.commit(Cycle(positions={"prom": 1}))
    store.close()


@pytest.mark.parametrize("content", [b"this is no database, but a text that is long enough" * 100, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="move it away to start with an empty store"):
        open_sqlite(path)
    assert path.read_bytes() == content


def test_a_damaged_database_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "a.sqlite"
    store = open_sqlite(path)
    for n in range(50):
        incident = Incident(f"i{n}", "open", "t" * 900, "warning", n, n, n)
        store.commit(Cycle([incident], [Notification(f"k{n}", incident, "pager", "opened", n)]))
    store.close()
    rng = random.Random(3)
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(rng.randbytes(64))
    with pytest.raises(StoreError, match="damaged; restore a backup, or move it away"):
        open_sqlite(path)
    open_sqlite(tmp_path / "b.sqlite").close()


def test_damage_while_it_runs_is_an_error_of_ours(tmp_path):
    store = open_sqlite(tmp_path / "a.sqlite")
    store.commit(Cycle([INCIDENT], states={"triage": b"x"}))
    store.database.writer.execute("UPDATE incidents SET body = x'09'")
    with pytest.raises(StoreError, match="too few"):
        store.incidents()
    store.database.writer.execute("DROP TABLE states")
    with pytest.raises(StoreError, match="no such table"):
        store.state("triage")
    store.close()


def test_a_file_of_another_version_or_program_is_refused(tmp_path):
    for name, statement in (("newer", "PRAGMA user_version = 9"), ("other", "CREATE TABLE cats (name)")):
        path = tmp_path / name
        with sqlite3.connect(path) as made:
            made.execute(statement)
            made.execute("CREATE TABLE IF NOT EXISTS x (y)")
        made.close()
        with pytest.raises(StoreError, match="has schema version"):
            open_sqlite(path)
    with pytest.raises(StoreError, match="has schema version"):
        open_sqlite(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/a\.sqlite: its folder cannot be written"):
        open_sqlite(tmp_path / "file" / "a.sqlite")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_sqlite(tmp_path / "none.sqlite", read_only=True)
