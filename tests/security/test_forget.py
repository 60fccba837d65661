"""Who is forgotten is in no table, whatever held them, and nothing brings them back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import BUILD_LOCK, PIPELINE_LOCK, Database, lock_number
from runner.errors import RunnerError
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import (
    PROJECT,
    earn,
    event,
    ingest,
    insert_events,
    query,
    rebuild,
    roles,
    run_all,
    scalar,
)
from tests.support.commands import assert_refused, command
from tests.support.databases import Moulds, apply_schema, let_rows_change
from tests.support.dumps import dump

PERSON = "person-4711"
KEY = ("event_stream", "--key", f"user_id={PERSON}")


def plant(database: Database, is_built: bool = True) -> None:
    """Events of a person among those of others, loaded and, mostly, built."""
    insert_events(
        database,
        [earn(day, user, 100) for day in range(40) for user in (PERSON, "u_1")]
        + [event(day, PERSON, kind) for day in range(40) for kind in ("share", "reward_search")]
        + [event(day, "u_1", kind) for day in range(3) for kind in ("share", "reward_search")],
    )
    ingest(database)
    if is_built:
        rebuild(database)


def change(database: Database, values: str, where: str = f"user_id = '{PERSON}'") -> None:
    query(database, f"update public.event_stream set {values}, updated_at = now() where {where}")


def erase_at_source(database: Database, person: str = PERSON) -> None:
    query(database, "delete from public.event_stream where user_id = %(person)s", person=person)


def forget(database: Database, *words: str) -> str:
    done = command("forget", *(words or KEY), "--yes", database=database)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def assert_verified(database: Database) -> None:
    done = command("verify", database=database)
    assert not done.returncode, done.stdout + done.stderr


def runs(database: Database, where: str) -> list[int]:
    found = query(database, f"select run_id from orchestrator.runs where {where} order by run_id")
    return [row["run_id"] for row in found]


def test_nothing_of_a_person_is_left(mutable: Database, no_margin: None, tmp_path: Path) -> None:
    plant(mutable)
    change(mutable, "miles_amount = 7", f"user_id = '{PERSON}' and event_type = 'miles_earned'")
    ingest(mutable)
    change(mutable, "user_id = 'u_2'", f"user_id = '{PERSON}' and event_type = 'share'")
    run_all(mutable)
    # Set aside: by an ingest, and by a load.
    query(mutable, "update orchestrator.pipeline_definitions set odd_cursors = 'quarantine'")
    insert_events(mutable, [{**earn(3, PERSON, 1), "updated_at": "infinity"}])
    run_all(mutable)
    file = tmp_path / "lines.csv"
    file.write_text(
        f'event_time,user_id,miles_amount\nnever,{PERSON},1\nnever,"{PERSON}",1\n'
        f"never,{PERSON}0,1\n2026-01-05,u_1,1\n"
    )
    assert not command("load", str(file), database=mutable).returncode
    ingest(mutable)
    # A run that failed over a row, a check that showed one, a message.
    query(
        mutable,
        "alter table warehouse.raw_event_stream add constraint nobody check (user_id is null)"
        " not valid; ",
    )
    query(mutable, "update orchestrator.pipeline_definitions set max_rejected_share = 0")
    insert_events(mutable, [earn(41, PERSON, 100)])
    with suppress(RunnerError):
        ingest(mutable, "event_stream")
    query(mutable, "alter table warehouse.raw_event_stream drop constraint nobody")
    query(
        mutable,
        "update orchestrator.check_results set sample = jsonb_build_array(jsonb_build_object("
        "'user_id', %(person)s::text, 'n', 4711))",
        person=PERSON,
    )
    counts = ("replaced_rows", "rejected_rows", "load_rejects")
    before = {name: scalar(mutable, f"select count(*) from orchestrator.{name}") for name in counts}
    assert before["replaced_rows"] == 80 and before["rejected_rows"] >= 1
    assert before["load_rejects"] == 3
    assert PERSON in scalar(mutable, "select string_agg(error, '') from orchestrator.runs")
    assert PERSON in scalar(mutable, "select string_agg(message, '') from orchestrator.logs")
    shown = scalar(
        mutable,
        "select (select count(*) from orchestrator.check_results where sample::text ~ %(p)s)"
        " + (select count(*) from orchestrator.runs where error ~ %(p)s)"
        " + (select count(*) from orchestrator.logs where message ~ %(p)s)",
        p=PERSON,
    )

    erase_at_source(mutable)
    forget(mutable)
    text = dump(mutable)
    assert PERSON not in text.replace(f"{PERSON}0", "")
    assert f"{PERSON}0" in text  # somebody else
    assert (
        scalar(mutable, "select count(*) from warehouse.raw_event_stream where user_id = 'u_2'")
        == 40
    )
    assert_verified(mutable)
    # What is left is a run with counts.
    [run] = query(mutable, "select * from orchestrator.runs where kind = 'forget'")
    assert (run["status"], run["rows_deleted"], run["error"]) == ("succeeded", 80, None)
    [said] = query(
        mutable, "select context from orchestrator.logs where run_id = %(r)s", r=run["run_id"]
    )
    assert said["context"] == {"rows": 80, "images": 80, "rejects": 1, "lines": 2, "texts": shown}
    # Nothing brings anything back.
    for words in (
        ("ingest", "--sweep"),
        ("backfill", "event_stream", "--from", "2000-01-01"),
        ("reconcile", "event_stream"),
        ("run-all",),
    ):
        assert not command(*words, database=mutable).returncode
    assert PERSON not in dump(mutable).replace(f"{PERSON}0", "")


def test_while_the_source_has_somebody_they_are_not_forgotten(built: Database) -> None:
    before = dump(built)
    done = command("forget", "event_stream", "--key", "user_id=u_1", "--yes", database=built)
    assert_refused(done, 1, "public.event_stream still has 10 such rows")
    assert dump(built) == before


def test_a_dry_run_counts_and_changes_nothing(mutable: Database, no_margin: None) -> None:
    plant(mutable)
    change(mutable, "miles_amount = 7")
    run_all(mutable)
    erase_at_source(mutable)
    before = dump(mutable)
    done = command("forget", *KEY, "--dry-run", "--json", database=mutable)
    found = json.loads(done.stdout)
    assert (found["rows"], found["images"], found["run"]) == (120, 120, None)
    done = command("forget", *KEY, database=mutable)
    assert_refused(done, 2, "this needs confirmation", "--yes")
    assert "120  rows of the replica" in done.stdout
    assert dump(mutable) == before


def test_who_is_not_there_leaves_no_run(built: Database) -> None:
    assert "forget: nothing was found" in forget(built, "event_stream", "--key", "user_id=nobody")
    assert not runs(built, "kind = 'forget'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing", "--key", "user_id=u_1"), "no pipeline nothing"),
        (("event_stream", "--key", "user=u_1"), "no column user"),
        (("event_stream", "--key", "_run_id=1"), "no column _run_id"),
        (("event_stream", "--key", "user_id="), "has no value"),
        (("event_stream", "--key", "event_id=u_1"), "invalid input syntax"),
        (("event_stream", "--key", "u_1"), "invalid input syntax"),
    ],
)
def test_what_is_not_known_is_said(built: Database, words: tuple[str, ...], said: str) -> None:
    assert_refused(command("forget", *words, "--yes", database=built), 2, said)
    assert not runs(built, "kind = 'forget'")


def test_a_row_is_named_by_its_key_alone(built: Database, no_margin: None) -> None:
    query(
        built,
        "insert into public.utm_campaigns (utm_source, channel) values ('Ann & Söhne', 'email')",
    )
    run_all(built)
    assert "Ann & Söhne" in dump(built)
    query(built, "delete from public.utm_campaigns")
    forget(built, "utm_campaigns", "--key", "Ann & Söhne")
    assert "Ann & Söhne" not in dump(built)
    assert_verified(built)


@pytest.mark.slow
def test_of_several_columns_a_row_has_all_and_of_one_given_twice_any(
    built: Database, no_margin: None
) -> None:
    query(built, "delete from public.event_stream where user_id in ('u_0', 'u_1')")
    keys = ("--key", "user_id=u_0", "--key", "user_id=u_1", "--key", "miles_amount=30")
    forget(built, "event_stream", *keys)
    left = "select count(*) from warehouse.raw_event_stream"
    assert scalar(built, left) == 29  # of thirty, the fourth: 30 miles of u_0
    assert_verified(built)


# Undo.


def test_an_undone_window_does_not_bring_anybody_back(mutable: Database, no_margin: None) -> None:
    plant(mutable, is_built=False)
    [window] = runs(mutable, "kind = 'window' and rows_inserted > 0")
    erase_at_source(mutable)
    forget(mutable)
    done = command("runs", "undo", str(window), "--yes", database=mutable)
    assert not done.returncode, done.stderr
    assert scalar(mutable, "select count(*) from warehouse.raw_event_stream") == 0
    for words in (("backfill", "event_stream"), ("ingest", "--sweep")):
        assert not command(*words, database=mutable).returncode
    assert scalar(mutable, "select count(*) from warehouse.raw_event_stream") == 46
    assert PERSON not in dump(mutable)


def test_a_run_that_replaced_forgotten_rows_is_not_undone(
    mutable: Database, no_margin: None
) -> None:
    plant(mutable, is_built=False)
    change(mutable, "user_id = 'u_2'", f"user_id = '{PERSON}' and event_type = 'share'")
    ingest(mutable)
    [changed] = runs(mutable, "kind = 'window' and rows_updated > 0")
    erase_at_source(mutable)
    forget(mutable)
    before = query(mutable, "select * from warehouse.raw_event_stream order by event_id")
    done = command("runs", "undo", str(changed), "--yes", database=mutable)
    assert_refused(done, 2, "cannot be undone: the earlier versions of 40 rows")
    assert query(mutable, "select * from warehouse.raw_event_stream order by event_id") == before
    assert PERSON not in dump(mutable)


def test_an_undone_deletion_does_not_bring_anybody_back(mutable: Database, no_margin: None) -> None:
    plant(mutable, is_built=False)
    query(mutable, "update orchestrator.pipeline_definitions set on_delete = 'apply'")
    erase_at_source(mutable)
    done = command("reconcile", "event_stream", "--force", database=mutable)
    assert not done.returncode
    [deleted] = runs(mutable, "kind = 'reconcile' and rows_deleted > 0")
    assert PERSON in dump(mutable)
    forget(mutable)
    assert PERSON not in dump(mutable)
    done = command("runs", "undo", str(deleted), "--yes", database=mutable)
    assert_refused(done, 2, "cannot be undone: the earlier versions of 120 rows")


# What may stand in the way.


def test_another_target_is_named_until_it_is_built(built: Database, no_margin: None) -> None:
    rebuild(built, target="dev")
    erase_at_source(built, "u_1")
    done = command("forget", "event_stream", "--key", "user_id=u_1", "--yes", database=built)
    assert not done.returncode
    assert "target dev keeps them until its next build" in done.stderr
    assert "u_1" in dump(built)
    assert not command("build", "--target", "dev", database=built).returncode
    assert "u_1" not in dump(built)


@pytest.mark.slow
def test_a_build_that_fails_is_told_and_can_be_repeated(
    built: Database, project: Path, no_margin: None
) -> None:
    erase_at_source(built, "u_1")
    words = ("forget", "event_stream", "--key", "user_id=u_1", "--yes")
    check = project / "sql/reporting/kpi_daily.no.check.sql"
    check.write_text("select 'u_1' as user_id\n")
    done = command(*words, database=built, project=project)
    assert_refused(done, 1, "the rows are gone from warehouse.raw_event_stream", "runner build")
    assert not query(built, "select from warehouse.raw_event_stream where user_id = 'u_1'")
    check.unlink()
    assert not command("build", database=built, project=project).returncode
    assert not command(*words, database=built, project=project).returncode
    assert "u_1" not in dump(built)
    assert_verified(built)


def test_what_keeps_a_build_from_beginning_keeps_all_rows(
    built: Database, project: Path, no_margin: None
) -> None:
    erase_at_source(built, "u_1")
    (project / "sql/manifest.toml").write_text(
        (project / "sql/manifest.toml").read_text().replace('zone = "UTC"', 'zone = "Nowhere"')
    )
    words = ("forget", "event_stream", "--key", "user_id=u_1", "--yes")
    assert_refused(command(*words, database=built, project=project), 3, "Nowhere")
    assert (
        scalar(built, "select count(*) from warehouse.raw_event_stream where user_id = 'u_1'") == 10
    )


@pytest.mark.parametrize("lock", ["ingest", "build"])
def test_beside_an_ingest_or_a_build_nothing_begins(built: Database, lock: str) -> None:
    kind, number = (PIPELINE_LOCK, 1) if lock == "ingest" else (BUILD_LOCK, lock_number("live"))
    with built.session("other") as session, session.lock(kind, number, "it"):
        done = command("forget", "event_stream", "--key", "user_id=u_1", "--yes", database=built)
        assert_refused(done, 3, "is already running")
    assert not runs(built, "kind = 'forget'")


def test_a_source_that_cannot_be_read_is_told(built: Database, no_margin: None) -> None:
    query(built, "alter table public.event_stream rename to moved")
    done = command("forget", "event_stream", "--key", "user_id=u_1", "--yes", database=built)
    assert not done.returncode, done.stderr
    assert "cannot check whether the source still has such rows" in done.stderr
    assert "u_1" not in dump(built).split("COPY public.moved")[0]


def test_keys_are_compared_as_their_type_compares_them(database: Database, no_margin: None) -> None:
    query(database, "create schema crm")
    query(database, "create extension citext schema public")
    query(
        database,
        "create table crm.people (email public.citext primary key, city text,"
        " updated_at timestamptz default now())",
    )
    query(database, "insert into crm.people values ('Ann@Planted', 'Rome'), ('b@x', 'Oslo')")
    query(
        database,
        "insert into orchestrator.pipeline_definitions (pipeline_name, source_relation,"
        " cursor_column, key_columns, write_mode)"
        " values ('people', 'crm.people', 'updated_at', '{email}', 'upsert')",
    )
    ingest(database, "people")
    query(
        database,
        "update crm.people set city = 'Bonn', updated_at = now() where lower(email::text) = 'ann@planted'",
    )
    ingest(database, "people")
    query(
        database,
        "insert into orchestrator.logs (level, message) values ('info', 'no: Ann@Planted, sorry')",
    )
    query(database, "delete from crm.people where lower(email::text) = 'ann@planted'")
    forget(database, "people", "--key", "ANN@PLANTED")
    assert "planted" not in dump(database).lower()
    assert query(database, "select email::text from warehouse.raw_people") == [{"email": "b@x"}]


def test_rows_without_a_key_are_forgotten_too(database: Database, no_margin: None) -> None:
    query(
        database,
        "update orchestrator.pipeline_definitions set key_columns = '{}'"
        " where pipeline_name = 'event_stream'",
    )
    query(database, "drop table warehouse.raw_event_stream cascade")
    insert_events(database, [earn(day, user, 1) for day in range(3) for user in (PERSON, "u_1")])
    ingest(database, "event_stream")
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 6
    erase_at_source(database)
    forget(database)
    assert scalar(database, "select count(*) from warehouse.raw_event_stream") == 3
    assert PERSON not in dump(database)


def test_a_runner_that_owns_its_schemas_alone_may_forget(built: Database, no_margin: None) -> None:
    with roles.dropped(built):
        schema.apply(built, load(PROJECT), Target(), roles=True)
        erase_at_source(built, "u_1")
        forget(roles.login(built, "runner"), "event_stream", "--key", "user_id=u_1")
        assert "u_1" not in dump(built)


# Any history.

CORE = "zq4711kx"
SHAPES = (
    CORE,
    f"o'{CORE}",
    f'"{CORE}"',
    f"{CORE}, jr",
    f"\\{CORE}%_",
    f"é{CORE}ß",
    f"a b\t{CORE}",
    CORE * 30,
)


class World:
    """What may happen to the events of somebody, at the source and here."""

    def __init__(self, database: Database, person: str, folder: Path) -> None:
        self.database, self.person, self.folder = database, person, folder
        self.loads = 0

    def update(self, values: str, where: str) -> None:
        query(
            self.database,
            f"update public.event_stream set {values}, updated_at = now() where {where}",
            person=self.person,
        )

    def arrive(self) -> None:
        insert_events(
            self.database, [earn(day, user, 5) for day in range(3) for user in (self.person, "u_1")]
        )

    def change(self) -> None:
        self.update("miles_amount = miles_amount + 1", "user_id = %(person)s and event_id %% 2 = 0")

    def give_away(self) -> None:
        self.update("user_id = 'u_2'", "user_id = %(person)s and event_id %% 3 = 0")

    def take(self) -> None:
        self.update("user_id = %(person)s", "user_id = 'u_1' and event_id %% 3 = 1")

    def vanish(self) -> None:
        query(
            self.database,
            "delete from public.event_stream where user_id = %(person)s and event_id %% 4 = 0",
            person=self.person,
        )

    def be_odd(self) -> None:
        insert_events(self.database, [{**earn(3, self.person, 1), "updated_at": "infinity"}])

    def load(self) -> None:
        self.loads += 1
        file = self.folder / f"{self.loads}.csv"
        quoted = self.person.replace('"', '""')
        file.write_text(f'event_time,user_id,country\nnever,"{quoted}",{self.loads}\n')
        command("load", str(file), database=self.database)

    def ingest(self) -> None:
        ingest(self.database)

    def build(self) -> None:
        run_all(self.database)

    def reconcile(self) -> None:
        command("reconcile", "event_stream", "--force", database=self.database)

    def undo(self) -> None:
        last = runs(self.database, "kind in ('window', 'sweep', 'reconcile') and pipeline_id = 1")
        if last:
            command("runs", "undo", str(last[-1]), "--yes", database=self.database)


STEPS: tuple[Callable[[World], None], ...] = (
    World.arrive, World.change, World.give_away, World.take, World.vanish, World.be_odd, World.load,
    World.ingest, World.build, World.reconcile, World.undo,
)  # fmt: skip


def check_history(
    moulds: Moulds, folder: Path, shape: str, steps: Sequence[Callable[[World], None]]
) -> None:
    with moulds.clone(apply_schema, let_rows_change) as database:
        query(
            database,
            "update orchestrator.pipeline_definitions"
            " set on_delete = 'apply', odd_cursors = 'quarantine'",
        )
        world = World(database, shape, folder)
        world.arrive()
        world.build()
        for step in steps:
            step(world)
        erase_at_source(database, shape)
        forget(database, "event_stream", "--key", f"user_id={shape}")
        assert CORE not in dump(database)
        assert_verified(database)
        for run in runs(database, "kind in ('window', 'sweep', 'reconcile')"):
            command("runs", "undo", str(run), "--yes", database=database)
        for words in (("backfill", "event_stream"), ("ingest", "--sweep"), ("run-all",)):
            command(*words, database=database)
        assert CORE not in dump(database)
        assert_verified(database)


@pytest.mark.slow
def test_after_everything_that_may_happen_nobody_is_left(
    moulds: Moulds, tmp_path: Path, no_margin: None
) -> None:
    check_history(moulds, tmp_path, SHAPES[2], STEPS)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    shape=st.sampled_from(SHAPES),
    steps=st.lists(st.sampled_from(STEPS), min_size=6, max_size=14),
)
def test_after_any_history_nobody_is_left(
    moulds: Moulds,
    tmp_path_factory: pytest.TempPathFactory,
    no_margin: None,
    shape: str,
    steps: Sequence[Callable[[World], None]],
) -> None:
    check_history(moulds, tmp_path_factory.mktemp("files"), shape, steps)
