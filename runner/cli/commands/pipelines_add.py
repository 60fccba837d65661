import sys
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, project_command, yes_option
from runner.setup.add_pipeline import Added, read
from runner.setup.add_pipeline import add as add_pipeline


@project_command("add", yes_option)
@click.argument("name")
@click.option(
    "--from",
    "address",
    metavar="ADDRESS",
    help="Address of a source that is not in this database: postgresql://USER@HOST/DATABASE,"
    " mariadb://USER@HOST/DATABASE, or a CSV file. Set MILEPOST_SOURCE_PASSWORD to the password.",
)
@click.option(
    "--source", "source_relation", metavar="SCHEMA.TABLE", help="Table to read; not for a CSV file."
)
@click.option(
    "--cursor",
    "cursor_column",
    required=True,
    metavar="COLUMN",
    help="Timestamp column that is set whenever a row is written.",
)
@click.option("--timezone", metavar="ZONE", help="Time zone if the cursor has none (default: UTC).")
@click.option(
    "--key", "key_columns", multiple=True, metavar="COLUMN", help="Key column. Can be repeated."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Type of a column in the replica, if it differs from the source. Can be repeated.",
)
@click.option(
    "--mode",
    "write_mode",
    type=click.Choice(["append", "upsert"]),
    default="append",
    help="append if rows are only added to the source, upsert if they also change.",
)
@click.option(
    "--into",
    "target_relation",
    metavar="SCHEMA.TABLE",
    help="The replica (default: warehouse.raw_TABLE).",
)
@click.option(
    "--window",
    "window_size",
    metavar="INTERVAL",
    help="Maximum size of the first window (default: 1 year; 30 days for another database).",
)
@click.option("--owner", help="Owner of the pipeline.")
@click.option("--description", help="What the pipeline loads.")
def command(here: Workspace, /, yes: bool, **values: Any) -> None:
    """Add a pipeline, after inspecting its source and asking.

    For a source in another database it also creates a foreign table, with its server and user
    mapping: see docs/sources.md.

    \b
    Example: python -m runner pipelines add orders --source shop.orders --cursor updated_at \\
                 --key order_id --mode upsert
    """
    request = read(**values)
    if request.lacks_password and not yes and sys.stdin.isatty():
        request = request.with_password(
            click.prompt("password (empty for none)", "", hide_input=True, show_default=False)
        )
    if not yes:
        # Not in the transaction below: while it is open, ingests would wait for the answer.
        with here.ledger() as session, session.rehearsal():
            rehearsed = add_pipeline(session, request, here.folder)
        _show(rehearsed)
        output.confirm("add this?", "--yes adds it without asking", yes)
    with here.ledger() as session, session.transaction():
        added = add_pipeline(session, request, here.folder)
    if yes:
        _show(added)
    output.say(f"added; to load it: {output.program()} ingest {values['name']}")


def _show(added: Added) -> None:
    for thing in added.made:
        output.say(f"+ {thing}")
    output.record(added.row)
    for warning in added.warnings:
        output.warn(warning)
