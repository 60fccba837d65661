import os

import click

from runner.cli import output
from runner.cli.groups import Group
from runner.cli.workspace import Workspace, pass_workspace
from runner.database import address
from runner.database.binaries import psql_path


@click.group("db", cls=Group)
def command() -> None:
    """Start, stop and connect to the server."""


@command.command("start")
@pass_workspace
def start(here: Workspace) -> None:
    """Start the embedded server; it runs until `db stop`.

    \b
    Example: python -m runner db start
    """
    output.say(f"running: {address.embedded(here.folder).start().uri}")


@command.command("stop")
@pass_workspace
def stop(here: Workspace) -> None:
    """Stop the embedded server. Its data stay.

    \b
    Example: python -m runner db stop
    """
    output.say("stopped" if address.embedded(here.folder).stop() else "it was not running")


@command.command("url")
@pass_workspace
def url(here: Workspace) -> None:
    """Print the connection string; starts the embedded server if that is the one.

    \b
    Example: psql "$(python -m runner db url)"
    """
    output.answer(address.find(here.folder).conninfo)


@command.command(
    "psql",
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_workspace
def psql(here: Workspace, arguments: tuple[str, ...]) -> None:
    """Open psql; all arguments are passed to it.

    \b
    Example: python -m runner db psql -c 'table reporting.growth_accounting'
    """
    server = here.database()
    with server.session() as session:
        version = session.row("select current_setting('server_version_num')::int as number")
    conninfo = [server.conninfo] if server.conninfo else []
    os.execv(psql_path(version["number"] // 10_000), ["psql", *conninfo, *arguments])


@command.command("delete-data")
@pass_workspace
def delete_data(here: Workspace) -> None:
    """Delete the data of the embedded server, after asking.

    \b
    Example: python -m runner db delete-data
    """
    embedded = address.embedded(here.folder)
    click.confirm(f"delete {embedded.data} and everything in it?", abort=True)
    output.say("deleted" if embedded.delete() else "there was nothing to delete")
