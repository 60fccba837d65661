"""The command, and what docs/retention.md says of it and of replicas that are one table."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from runner.build.build import build
from runner.database.session import Database
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import (
    PROJECT,
    ingest,
    query,
)
from tests.support.commands import assert_refused, command
from tests.support.months import images, monthly_project, rows_by_month, source_months

LIVE = Target()
PAGE = (PROJECT / "docs/retention.md").read_text()
[EXAMPLE] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
PAGE_SQL = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_the_command_shows_what_it_will_do_and_does_it_as_the_page_says(monthly: Database) -> None:
    project = monthly_project()
    folder = project / "archive"
    done = command("archive", "--before", "2026-03", database=monthly, project=project)
    assert_refused(done, 2, "this needs confirmation")
    assert "2026-01" in done.stdout and not folder.exists()
    try:
        done = command("archive", "--before", "2026-03", "--yes", database=monthly, project=project)
        assert done.stdout == EXAMPLE
        name = "raw_event_stream_2026-01.csv"
        assert (folder / name).read_text().count("\n") == source_months(monthly)["2026-01"] + 1
        again = ("archive", "event_stream", "--before", "2026-04", "--into", "archive", "--yes")
        done = command(*again, "--json", database=monthly, project=project)
        [said] = json.loads(done.stdout)
        assert (said["month"], said["rows"]) == ("2026-03", source_months(monthly)["2026-03"])
        assert said["file"] == "archive/raw_event_stream_2026-03.csv"
        done = command(*again, database=monthly, project=project)
        assert done.stdout == "archive: nothing before 2026-04 to archive\n"
    finally:
        shutil.rmtree(folder)
    done = command("verify", database=monthly, project=project)
    assert "event_stream: compared 2026-04 to" in done.stdout
    assert "; 2026-01 to 2026-03 is archived, so the facts of" in done.stdout


def test_a_replica_that_is_one_table_moves_as_the_page_says(built: Database) -> None:
    before, rows = (
        images(built),
        query(built, "select * from warehouse.raw_event_stream order by 1"),
    )
    project, (aside, copied, *_) = monthly_project(), PAGE_SQL
    with built.session("test") as session:
        session.run(aside)
        schema.apply(built, load(project), LIVE)
        session.run(copied)
    runs = ingest(built, "event_stream", project=project)
    assert not any(run.counts.changed for run in runs)
    build(built, load(project), LIVE)
    assert images(built) == before
    months = {month.replace("-", "_"): rows for month, rows in source_months(built).items()}
    assert rows_by_month(built) == months
    assert query(built, "select * from warehouse.raw_event_stream order by 1") == rows


def test_a_replica_that_is_one_table_says_how_it_becomes_months(
    database: Database, folder: Path
) -> None:
    done = command("archive", "--before", "2026-03", "--into", str(folder), database=database)
    assert_refused(done, 2, "no replica is partitioned by month", "monthly_replicas")
    done = command("archive", "utm_campaigns", "--before", "2026-03", database=database)
    assert_refused(done, 2, "raw_utm_campaigns is not partitioned by month", "monthly_replicas")
    done = command("archive", "--before", "2026-13", database=database)
    assert done.returncode == 2 and "a month, such as 2026-01" in done.stderr
