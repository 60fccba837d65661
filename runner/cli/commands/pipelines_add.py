import sys
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, project_command, yes_option
from runner.cli.show import lines
from runner.setup.add_pipeline import Added, read
from runner.setup.add_pipeline import add as add_pipeline


@project_command("add", yes_option)
@click.argument("name")
@click.option(
    "--from",
    "address",
    metavar="ADDRESS",
    help="Where the table is, if not in this database: postgresql://USER@HOST/DATABASE,"
    " mariadb://USER@HOST/DATABASE, or a CSV file. Put the password in MILEPOST_SOURCE_PASSWORD.",
)
@click.option(
    "--source",
    "source_relation",
    metavar="SCHEMA.TABLE",
    help="Table to read; not needed for a CSV file.",
)
@click.option(
    "--cursor",
    "cursor_column",
    required=True,
    metavar="COLUMN",
    help="Timestamp that is set whenever a row is written.",
)
@click.option(
    "--timezone", metavar="ZONE", help="Time zone of a cursor that has none (default: UTC)."
)
@click.option(
    "--key", "key_columns", multiple=True, metavar="COLUMN", help="Key column. May repeat."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Type of a column in the replica, if not that of the source. May repeat.",
)
@click.option(
    "--mode",
    "write_mode",
    type=click.Choice(["append", "upsert"]),
    default="append",
    help="append if rows are only ever added to the source, upsert if they also change.",
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
    help="Size of the first window (default: 1 year; 30 days for another database).",
)
@click.option("--owner", help="Owner of the pipeline.")
@click.option("--description", help="What the pipeline brings in.")
def command(here: Workspace, /, yes: bool, **values: Any) -> None:
    """Inspect a source, show what would be added, ask, and add it.

    For a source in another database it also creates a foreign table, with its server and user
    mapping: see docs/sources.md.

    \b
    Example: python -m runner pipelines add orders --source shop.orders --cursor updated_at \\
                 --key order_id --mode upsert
    """
    wanted = read(**values)
    if wanted.lacks_password and not yes and sys.stdin.isatty():
        wanted = wanted.with_password(
            click.prompt("password (empty for none)", "", hide_input=True, show_default=False)
        )
    if not yes:
        # An open transaction would hold every ingest back for as long as a person thinks.
        with here.ledger() as session, session.rehearsal():
            rehearsed = add_pipeline(session, wanted, here.folder)
        _show(rehearsed)
        output.confirm("add this?", "--yes adds it without asking", yes)
    with here.ledger() as session, session.transaction():
        added = add_pipeline(session, wanted, here.folder)
    if yes:
        _show(added)
    output.say(f"added: {output.program()} ingest {values['name']}")


def _show(added: Added) -> None:
    for thing in added.made:
        output.say(f"+ {thing}")
    lines.pairs(added.row)
    for warning in added.warnings:
        output.warn(warning)
