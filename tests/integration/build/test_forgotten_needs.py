"""A script that reads a table it does not declare would keep stale figures: a build refuses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runner.database.session import Database
from tests.support import earn, insert_events, query, scalar
from tests.support.commands import assert_refused, command, environ

SCRIPT = "sql/reporting/kpi_daily.sql"
STALE = "\nselect 1 from {{ warehouse }}.dim_platforms where false;\n"


def test_a_build_refuses_a_changed_script_that_forgets_a_need(
    built: Database, project: Path
) -> None:
    before = scalar(built, "select max(run_id) from orchestrator.runs")
    file = project / SCRIPT
    file.write_text(file.read_text() + STALE)
    for name in ("build", "rebuild", "verify"):
        done = command(name, database=built, project=project)
        assert_refused(done, 3, f"{SCRIPT}: reads warehouse.dim_platforms", "needs")
    assert scalar(built, "select max(run_id) from orchestrator.runs") == before
    manifest = project / "sql/manifest.toml"
    head, entry = manifest.read_text().split("[reporting.kpi_daily]\n")
    entry = entry.replace("needs = [", 'needs = ["warehouse.dim_platforms", ', 1)
    manifest.write_text(f"{head}[reporting.kpi_daily]\n{entry}")
    done = command("build", database=built, project=project)
    assert done.returncode == 0, done.stderr


def test_a_function_that_begins_to_read_a_table_is_looked_into(
    built: Database, project: Path
) -> None:
    file = project / "schema/warehouse.sql"
    head, name, rest = file.read_text().partition(
        "create or replace function {{ warehouse }}.member"
    )
    body = rest.replace(
        "return coalesce(", "return (select min('') from {{ warehouse }}.dim_users) || coalesce(", 1
    )
    assert body != rest
    file.write_text(head + name + body)
    done = command("build", database=built, project=project)
    assert_refused(done, 3, "reads warehouse.dim_users in warehouse.member()", "needs")


def test_a_routine_build_never_imports_the_parser(built: Database) -> None:
    insert_events(built, [earn(40, "u_1", 5)])
    query(built, "select 1")
    code = (
        "import sys\nfrom runner.cli.main import main\n"
        "try:\n    main(['run-all'])\n"
        "except SystemExit as done:\n"
        "    sys.exit(done.code or int('sqlglot' in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path.cwd(), env=environ(built), check=False, timeout=60
    )
    assert done.returncode == 0


def test_a_need_that_is_taken_out_is_as_forgotten_as_one_that_never_was(
    built: Database, project: Path
) -> None:
    need = '"warehouse.agg_engagement_daily",'
    manifest = project / "sql/manifest.toml"
    whole = manifest.read_text()
    head, entry = whole.split("[reporting.engagement_daily]\n")
    assert need in entry.split("]")[0]
    manifest.write_text(f"{head}[reporting.engagement_daily]\n{entry.replace(need, '', 1)}")
    done = command("build", database=built, project=project)
    assert_refused(done, 3, "engagement_daily.sql: reads warehouse.agg_engagement_daily", "needs")
    manifest.write_text(whole)
    assert "up to date" in command("build", database=built, project=project).stdout


def test_what_a_script_missed_before_it_declared_a_need_is_built(
    built: Database, project: Path
) -> None:
    manifest = project / "sql/manifest.toml"
    head, entry = manifest.read_text().split("[reporting.engagement_daily]\n")
    entry = entry.replace("needs = [", 'needs = ["warehouse.dim_dates", ', 1)
    manifest.write_text(f"{head}[reporting.engagement_daily]\n{entry}")
    done = command("plan", database=built, project=project)
    assert "its needs changed" in done.stdout, done.stderr
