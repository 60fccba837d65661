"""`schema apply`: create the tables."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import Group


@click.group("schema", cls=Group)
def command() -> None:
    """Create the schemas and tables."""


@command.command("apply")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--target", default="live", show_default=True, help="Whose derived tables.")
@click.option("--roles", is_flag=True, help="Also a role that may read the reports, nothing else.")
@click.pass_obj
def apply_command(project: Path, yes: bool, target: str, roles: bool) -> None:
    """Say what would be created, ask, and create it. On the embedded server it does not ask.

    \b
    Example: python -m runner schema apply --yes
    python -m runner schema apply --roles
    """
    from runner.cli import output
    from runner.database import address as server
    from runner.database.session import Database
    from runner.errors import UsageError
    from runner.project.manifest import load
    from runner.project.target import Target
    from runner.setup import schema

    manifest = load(project)
    address = server.find(project)
    database = Database(address.conninfo)
    changes = schema.rehearse(database, manifest, Target(target), roles)
    if not changes:
        output.say("schema: up to date")
        return
    if address.is_embedded and not roles:
        output.say(f"schema: {len(changes)} schemas, tables, views and indexes")
    else:
        for change in changes:
            output.say(change)
    if not address.is_embedded and not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "nobody is there to ask",
                f"python -m runner schema apply {'--roles ' if roles else ''}--yes",
            )
        click.confirm(f"do these {len(changes)} things?", abort=True)
    schema.apply(database, manifest, Target(target), roles)
    output.say("schema: applied")
