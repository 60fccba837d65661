"""A CSV file as a source: read whole each time, and each row once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import ingest, query
from tests.support.commands import assert_refused, command

pytestmark = pytest.mark.slow

HEADER = "partner_id,partner_name,rate,updated_at\n"
ROWS = '1,Acme,0.5,2026-01-01T08:00:00Z\n2,"Miles, more",,2026-01-02T09:00:00+02:00\n'


@pytest.fixture
def file(folder: Path) -> Iterator[Path]:
    """A file that the servers may read, whoever they run as."""
    found = folder / "partners.csv"
    found.write_text(HEADER + ROWS)
    found.chmod(0o644)
    yield found
    found.unlink()


@pytest.fixture(params=["15", "embedded"])
def home(request: pytest.FixtureRequest) -> Database:
    """The warehouse, on both servers."""
    name = "warehouse" if request.param == "15" else "database"
    database: Database = request.getfixturevalue(name)
    return database


def add(database: Database, file: Path, *arguments: str) -> str:
    done = command(
        *("pipelines", "add", "partners", "--from", str(file), "--cursor", "updated_at"),
        *("--key", "partner_id", "--mode", "upsert", "--type", "partner_id=bigint"),
        *("--type", "rate=numeric", *arguments, "--yes"),
        database=database,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def rows(database: Database) -> list[tuple[object, ...]]:
    found = query(
        database,
        "select partner_id, partner_name, rate::text, updated_at::text from warehouse.raw_partners"
        " order by partner_id",
    )
    return [tuple(row.values()) for row in found]


def test_add_says_that_the_whole_file_is_read(home: Database, file: Path) -> None:
    said = add(home, file)
    assert f"+ foreign table from_files.partners of {file}, 4 columns" in said
    assert "every window reads the whole file" in said
    assert "lookback: " in said


def test_replica_is_the_file_also_when_lines_are_added_and_changed(
    home: Database, file: Path
) -> None:
    add(home, file)
    ingest(home, "partners")
    ingest(home, "partners")
    assert rows(home) == [
        (1, "Acme", "0.5", "2026-01-01 08:00:00+00"),
        (2, "Miles, more", None, "2026-01-02 07:00:00+00"),
    ]
    file.write_text(HEADER + ROWS.replace("0.5", "0.75") + "3,Third,1,2026-02-01T00:00:00Z\n")
    command("ingest", "partners", "--sweep", database=home)
    assert [row[2] for row in rows(home)] == ["0.75", None, "1"]


def test_a_value_that_does_not_fit_its_type_is_set_aside(home: Database, file: Path) -> None:
    add(home, file)
    file.write_text(HEADER + ROWS + "4,Bad,much,2026-01-03T00:00:00Z\n")
    ingest(home, "partners")
    assert [row[0] for row in rows(home)] == [1, 2]
    [rejected] = query(home, "select source_row, reason from orchestrator.rejected_rows")
    assert rejected["source_row"]["partner_name"] == "Bad"
    assert 'invalid input syntax for type numeric: "much"' in rejected["reason"]


def test_a_cursor_on_a_wall_clock_is_read_in_its_zone(home: Database, file: Path) -> None:
    file.write_text(HEADER + "1,Acme,0.5,2026-07-01 08:00:00\n")
    said = add(home, file, "--timezone", "Europe/Berlin")
    assert "no time zone" not in said
    ingest(home, "partners")
    assert rows(home) == [(1, "Acme", "0.5", "2026-07-01 08:00:00")]
    assert query(
        home,
        "select cursor_timezone from orchestrator.pipeline_definitions where"
        " pipeline_name = 'partners'",
    ) == [{"cursor_timezone": "Europe/Berlin"}]


def test_a_column_that_moves_is_an_error_and_not_another_columns_value(
    home: Database, file: Path
) -> None:
    add(home, file)
    file.write_text("partner_id,rate,partner_name,updated_at\n1,0.5,Acme,2026-01-01T08:00:00Z\n")
    done = command("ingest", "partners", database=home)
    assert (done.returncode, "column name mismatch" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("partners.csv", "has no column changed_at: partner_id, partner_name, rate, updated_at"),
        ("nothing.csv", "No such file or directory"),
    ],
)
def test_a_mistake_ends_in_one_line(
    home: Database, file: Path, folder: Path, name: str, said: str
) -> None:
    done = command(
        *("pipelines", "add", "partners", "--from", str(folder / name), "--cursor", "changed_at"),
        "--yes",
        database=home,
    )
    assert done.returncode in (1, 3)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (("\ufeff" + HEADER + ROWS).encode(), "begins with a byte order mark"),
        ((HEADER + ROWS).encode("utf-16"), "is not text in the encoding of this database"),
        (gzip.compress((HEADER + ROWS).encode()), "is not text in the encoding of this database"),
        (HEADER.replace("rate", "maß").encode("latin-1"), "is not text in the encoding of this"),
        (b"", "is empty: it has no header"),
        (b"partner_id,updated_at,updated_at\n", "has a name twice: 'updated_at'"),
        (b"partner_id,,updated_at\n", "has a name that is empty"),
        (b"partner_id," + b"x" * 64 + b",updated_at\n", "more than 63 bytes"),
        (b"partner_id,_row,updated_at\n", "_row, a name that is reserved"),
    ],
)
def test_a_file_that_is_no_csv_of_ours_says_what_to_do(
    database: Database, file: Path, content: bytes, said: str
) -> None:
    file.write_bytes(content)
    done = command(
        *("pipelines", "add", "partners", "--from", str(file), "--cursor", "updated_at"),
        *("--key", "partner_id", "--yes"),
        database=database,
    )
    assert_refused(done, 3, said)


def test_a_line_of_another_encoding_names_pipeline_and_cure(database: Database, file: Path) -> None:
    add(database, file)
    file.write_bytes((HEADER + ROWS.replace("Acme", "Müller")).encode("latin-1"))
    done = command("ingest", "partners", database=database)
    assert_refused(done, 1, "pipeline partners: ", "0xfc", "iconv -f LATIN1 -t UTF-8")


def test_a_file_that_is_gone_is_looked_for_where_the_server_is(
    database: Database, file: Path
) -> None:
    add(database, file)
    content = file.read_text()
    file.unlink()
    done = command("ingest", "partners", database=database)
    file.write_text(content)
    assert_refused(done, 1, "pipeline partners: ", str(file), "machine of the database server")
    assert "\\copy" not in done.stderr


def test_files_of_one_name_from_several_folders_are_all_usable(
    database: Database, folder: Path
) -> None:
    for name in ("eu", "us", "eu.2026"):
        (folder / name).mkdir(mode=0o755, exist_ok=True)
        path = folder / name / "partners.csv"
        path.write_text(HEADER + ROWS.replace("Acme", name))
        path.chmod(0o644)
        done = command(
            *("pipelines", "add", name, "--from", str(path), "--cursor", "updated_at"),
            *("--key", "partner_id", "--yes"),
            database=database,
        )
        assert done.returncode == 0, done.stderr
        ingest(database, name)
    found = {
        replica: query(
            database, f"select partner_name from warehouse.raw_{replica} order by partner_id"
        )[0]["partner_name"]
        for replica in ("partners", "us_partners", "eu_2026_partners")
    }
    assert found == {"partners": "eu", "us_partners": "us", "eu_2026_partners": "eu.2026"}


BAD = ("05/01/2026", "13/01/2026", "today", "now", "epoch", "26-01-05", "2026-02-30", "Jan 5 2026")


def test_a_cursor_is_not_guessed_and_what_is_written_otherwise_is_told(
    database: Database, file: Path
) -> None:
    good = "1,Acme,1,2026-01-01T08:00:00Z\n2,Empty,2,\n3,Berlin,3,2026-01-02 09:00+02\n"
    bad = "".join(f"{n},Bad,1,{text}\n" for n, text in enumerate(BAD, 10))
    file.write_text(HEADER + good + bad)
    add(database, file)
    for _ in range(3):  # told once
        done = command("ingest", "partners", "--sweep", database=database)
        assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows(database)] == [1, 2, 3]
    found = query(
        database,
        "select (source_row ->> 'partner_id')::int as n, reason from orchestrator.rejected_rows"
        " where resolved_run_id is null order by 1",
    )
    assert [row["n"] for row in found] == list(range(10, 10 + len(BAD)))
    assert all("updated_at is not a time written year first" in row["reason"] for row in found)
    assert f"{len(BAD)} rows are rejected" in command("status", database=database).stdout
    file.write_text(HEADER + good + bad.replace("today", "2026-01-06"))
    assert command("ingest", "partners", "--sweep", database=database).returncode == 0
    assert [row[0] for row in rows(database)] == [1, 2, 3, 12]
    assert f"{len(BAD) - 1} rows are rejected" in command("status", database=database).stdout


def test_a_file_of_nothing_but_other_dates_is_refused(database: Database, file: Path) -> None:
    lines = "".join(f"{n},Acme,1,13/01/2026\n" for n in range(40))
    file.write_text(HEADER + lines)
    add(database, file)
    done = command("ingest", "partners", database=database)
    assert_refused(done, 1, "40 of 40 rows", "updated_at is not a time written year first")
    query(database, "update orchestrator.pipeline_definitions set max_rejected_share = 1"
          " where pipeline_name = 'partners' returning 1")  # fmt: skip
    assert command("ingest", "partners", database=database).returncode == 0


def test_an_offset_beside_a_time_zone_is_told(database: Database, file: Path) -> None:
    file.write_text(HEADER + "1,A,1,2026-07-01 08:00:00\n2,B,1,2026-07-01T08:00:00+00:00\n")
    add(database, file, "--timezone", "Europe/Berlin")
    ingest(database, "partners")
    assert [row[0] for row in rows(database)] == [1]
    [found] = query(database, "select reason from orchestrator.rejected_rows")
    assert "without an offset" in found["reason"]
