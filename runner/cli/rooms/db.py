"""`db`: the embedded server, and psql on whichever server is used."""

import os
from pathlib import Path

import click

from runner.cli import output
from runner.cli.connect import database
from runner.cli.groups import Group
from runner.database import address
from runner.database.embedded.binaries import psql_path


@click.group("db", cls=Group)
def command() -> None:
    """Start, stop and connect to the server."""


@command.command("start")
@click.pass_obj
def start(project: Path) -> None:
    """Start the embedded server; it runs until `db stop`.

    \b
    Example: python -m runner db start
    """
    output.say(f"running: {address.embedded(project).start().uri}")


@command.command("stop")
@click.pass_obj
def stop(project: Path) -> None:
    """Stop the embedded server. Its data stay.

    \b
    Example: python -m runner db stop
    """
    output.say("stopped" if address.embedded(project).stop() else "it was not running")


@command.command("url")
@click.pass_obj
def url(project: Path) -> None:
    """Print the connection string; starts the embedded server if that is the one.

    \b
    Example: psql "$(python -m runner db url)"
    """
    output.answer(address.find(project).conninfo)


@command.command(
    "psql",
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def psql(project: Path, arguments: tuple[str, ...]) -> None:
    """Open psql; all arguments are passed to it.

    \b
    Example: python -m runner db psql -c 'table reporting.growth_accounting'
    """
    server = database(project)
    with server.session() as session:
        version = session.row("select current_setting('server_version_num')::int as number")
    conninfo = [server.conninfo] if server.conninfo else []
    os.execv(psql_path(version["number"] // 10_000), ["psql", *conninfo, *arguments])


@command.command("delete-data")
@click.pass_obj
def delete_data(project: Path) -> None:
    """Delete the data of the embedded server, after asking.

    \b
    Example: python -m runner db delete-data
    """
    embedded = address.embedded(project)
    click.confirm(f"delete {embedded.data} and everything in it?", abort=True)
    output.say("deleted" if embedded.delete() else "there was nothing to delete")
