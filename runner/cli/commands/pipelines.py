"""`pipelines`: where rows come from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import Group, json_option

if TYPE_CHECKING:
    from runner.database.session import Database


RUN_COLUMNS = ("run", "kind", "status", "started_at", "rows", "up_to")


@click.group("pipelines", cls=Group)
def command() -> None:
    """List, show, add, enable and disable pipelines: rows of orchestrator.pipeline_definitions."""


@command.command("list")
@json_option
@click.pass_obj
def list_command(project: Path) -> None:
    """List the pipelines with their watermarks.

    \b
    Example: python -m runner pipelines list
    """
    from runner.cli import output
    from runner.database.queries import named_query

    with _database(project).session() as session:
        rows = session.rows(named_query("ingest/pipelines.pipelines"))
    output.table(rows, "there is no pipeline yet: python -m runner pipelines add --help")


@command.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(project: Path, name: str) -> None:
    """Show one pipeline: its row, its watermark, what it covers and where it has gaps, what would
    make its guarantee better, its last runs.

    \b
    Example: python -m runner pipelines show event_stream
    """
    from runner.cli import output
    from runner.database.queries import named_query
    from runner.ingest import preflight
    from runner.ingest.coverage import coverage

    with _database(project).session() as session:
        found = _definition(
            session.rows(named_query("ingest/pipelines.pipeline"), {"name": name}), name
        )
        stretches = coverage(session, found["id"])
        doubts = preflight.of_pipeline(session, found["id"], project)
        runs = session.rows(named_query("ingest/pipelines.pipeline_runs"), {"name": name})
    if output.style.json:
        covered = output.coverage_data(name, stretches)
        output.data({**found, **covered, "doubts": doubts, "runs": runs})
        return
    output.pairs(found)
    output.coverage(name, stretches)
    output.say()
    for doubt in doubts:
        output.warn(doubt)
    for run in runs:
        rows = output.describe_rows(run["inserted"], run["updated"], run["deleted"])
        run["rows"] = f"{rows} !{run['rejected']:,}" if run["rejected"] else rows
    output.table(runs, "it has not run yet", RUN_COLUMNS)
    for run in runs:
        if run["error"]:
            output.say(f"run {run['run']}: {run['error']}")


@command.command("enable")
@click.argument("name")
@click.pass_obj
def enable(project: Path, name: str) -> None:
    """Let a plain `ingest` take a pipeline.

    \b
    Example: python -m runner pipelines enable utm_campaigns
    """
    _switch(project, name, True)


@command.command("disable")
@click.argument("name")
@click.pass_obj
def disable(project: Path, name: str) -> None:
    """Keep a plain `ingest` from taking a pipeline; its rows stay.

    \b
    Example: python -m runner pipelines disable utm_campaigns
    """
    _switch(project, name, False)


@command.command("add")
@click.argument("name")
@click.option(
    "--from",
    "address",
    metavar="ADDRESS",
    help="Where the table is, if not here: postgresql://USER@HOST/DATABASE, mariadb://..., or a"
    " CSV file. MILEPOST_SOURCE_PASSWORD has the password.",
)
@click.option(
    "--source",
    "source_relation",
    metavar="SCHEMA.TABLE",
    help="Read from; a file needs no name.",
)
@click.option(
    "--cursor", "cursor_column", required=True, metavar="COLUMN", help="Timestamp of writing."
)
@click.option("--timezone", metavar="ZONE", help="What a cursor without a time zone means (UTC).")
@click.option(
    "--key", "key_columns", multiple=True, metavar="COLUMN", help="Key column; may repeat."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Type in the replica, where it is another one; may repeat.",
)
@click.option(
    "--mode",
    "write_mode",
    type=click.Choice(["append", "upsert"]),
    default="append",
    show_default=True,
    help="Are rows only ever added, or do they change?",
)
@click.option(
    "--into", "target_relation", metavar="SCHEMA.TABLE", help="Replica (warehouse.raw_TABLE)."
)
@click.option(
    "--window",
    "window_size",
    help="Size of the first window (1 year; of another database 30 days).",
)
@click.option("--owner", help="Whom to ask.")
@click.option("--description", help="What it brings.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def add(project: Path, /, yes: bool, **values: Any) -> None:
    """Look at a source, show what would be added, ask, and add it.

    For a source in another database that is a foreign table too, with its server and a user on it:
    docs/sources.md.

    \b
    Example: python -m runner pipelines add orders --source shop.orders --cursor updated_at \\
                 --key order_id --mode upsert
    """
    from runner.cli import output
    from runner.errors import UsageError
    from runner.ingest.add_pipeline import add as add_pipeline
    from runner.ingest.add_pipeline import read

    wanted = read(**values)
    if wanted.lacks_password and not yes and sys.stdin.isatty():
        wanted = wanted.with_password(
            click.prompt("password there (empty: none)", "", hide_input=True, show_default=False)
        )
    with _database(project).session() as session, session.transaction():
        # In one transaction: all is made, looked at and, if nobody wants it, taken back.
        added = add_pipeline(session, wanted, project)
        for thing in added.made:
            output.say(f"+ {thing}")
        output.pairs(added.row)
        for warning in added.warnings:
            output.warn(warning)
        if not yes and not sys.stdin.isatty():
            raise UsageError("nobody is there to ask", "--yes adds it without asking")
        if not yes:
            click.confirm("add this?", abort=True)
    output.say(f"added: {output.program()} ingest {values['name']}")


@command.command("source-sql")
@click.argument("kind", type=click.Choice(["postgres", "mariadb"]))
@click.option(
    "--source", required=True, metavar="SCHEMA.TABLE", help="The table there; or DATABASE.TABLE."
)
@click.option(
    "--role", required=True, metavar="USER", help="Who reads it; in a MariaDB, also USER@HOST."
)
@click.pass_obj
def source_sql(project: Path, kind: str, source: str, role: str) -> None:
    """Print what the owner of a source in another database runs there, before `add --from`.

    \b
    Example: python -m runner pipelines source-sql postgres --source app.orders --role milepost
    """
    from runner.cli import output
    from runner.ingest.foreign.attach import script_for_source

    output.answer(script_for_source(kind, project, source, role).rstrip("\n"))


def _switch(project: Path, name: str, is_enabled: bool) -> None:
    from runner.cli import output
    from runner.database.queries import named_query

    values = {"name": name, "is_enabled": is_enabled}
    with _database(project).session() as session:
        _definition(session.rows(named_query("ingest/pipelines.switch_pipeline"), values), name)
    output.say(f"{name} is {'enabled' if is_enabled else 'disabled'}")


def _definition(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from runner.errors import UsageError

    if not rows:
        raise UsageError(f"there is no pipeline {name}", "python -m runner pipelines list")
    return rows[0]


def _database(project: Path) -> Database:
    from runner.database import address as server
    from runner.database import ledger
    from runner.database.session import Database

    database = Database(server.find(project).conninfo)
    with database.session() as session:
        ledger.require(session)
    return database
