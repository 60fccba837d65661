"""`pipelines`: where rows come from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.options import Group, json_option

if TYPE_CHECKING:
    from runner.database import Database


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
    from runner import output
    from runner.queries import queries

    with _database(project).session() as session:
        rows = session.rows(queries("look.sql")["pipelines"])
    output.table(rows, "there is no pipeline yet: python -m runner pipelines add --help")


@command.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(project: Path, name: str) -> None:
    """Show one pipeline: its row, its watermark, its last runs.

    \b
    Example: python -m runner pipelines show event_stream
    """
    from runner import output
    from runner.queries import queries

    with _database(project).session() as session:
        found = _definition(session.rows(queries("look.sql")["pipeline"], {"name": name}), name)
        runs = session.rows(queries("look.sql")["pipeline_runs"], {"name": name})
    output.data({**found, "runs": runs})
    if not output.style.json:
        output.pairs(found)
        output.say()
        output.table(runs, "it has not run yet")


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
    "--source", "source_relation", required=True, metavar="SCHEMA.TABLE", help="Read from."
)
@click.option(
    "--cursor", "cursor_column", required=True, metavar="COLUMN", help="Timestamp of writing."
)
@click.option(
    "--key", "key_columns", multiple=True, metavar="COLUMN", help="Key column; may repeat."
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
    "--window", "window_size", default="7 days", show_default=True, help="Size of a window."
)
@click.option("--owner", help="Whom to ask.")
@click.option("--description", help="What it brings.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def add(project: Path, /, yes: bool, key_columns: tuple[str, ...], **values: Any) -> None:
    """Look at a source, show the row that would be added, ask, and add it.

    \b
    Example: python -m runner pipelines add orders --source shop.orders --cursor updated_at \\
                 --key order_id --mode upsert
    """
    from runner import output
    from runner.errors import UsageError
    from runner.queries import queries
    from runner.replica import check_source

    row = {**values, "key_columns": list(key_columns)}
    with _database(project).session() as session, session.transaction():
        # In one transaction: the row is written, looked at and, if nobody wants it, taken back.
        pipeline_id = session.row(queries("look.sql")["add_pipeline"], row)["pipeline_id"]
        warnings = check_source(session, pipeline_id)
        preview = session.rows(queries("look.sql")["pipeline"], {"name": values["name"]})[0]
        output.pairs(preview)
        for warning in warnings:
            output.warn(warning)
        if not yes and not sys.stdin.isatty():
            raise UsageError("nobody is there to ask", "--yes adds it without asking")
        if not yes:
            click.confirm("add this row?", abort=True)
    output.say(f"added: {output.program()} ingest {values['name']}")


def _switch(project: Path, name: str, is_enabled: bool) -> None:
    from runner import output
    from runner.queries import queries

    values = {"name": name, "is_enabled": is_enabled}
    with _database(project).session() as session:
        _definition(session.rows(queries("look.sql")["switch_pipeline"], values), name)
    output.say(f"{name} is {'enabled' if is_enabled else 'disabled'}")


def _definition(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from runner.errors import UsageError

    if not rows:
        raise UsageError(f"there is no pipeline {name}", "python -m runner pipelines list")
    return rows[0]


def _database(project: Path) -> Database:
    from runner import server
    from runner.database import Database
    from runner.ledger import Ledger

    database = Database(server.find(project).conninfo)
    with database.session() as session:
        Ledger(session)
    return database
