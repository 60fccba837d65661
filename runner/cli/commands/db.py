import os

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runner.cli import output
from runner.cli.command import Workspace, pass_workspace, project_command
from runner.cli.groups import Group
from runner.database import address
from runner.database.embedded.binaries import psql_path


@click.group("db", cls=Group)
def command() -> None:
    """Start and stop the embedded server, and connect to the server in use."""


@project_command("start", group=command)
def start(here: Workspace) -> None:
    """Start the embedded server. It runs until `db stop`.

    \b
    Example: python -m runner db start
    """
    output.say(f"running: {address.embedded(here.folder).start().uri}")


@project_command("stop", group=command)
def stop(here: Workspace) -> None:
    """Stop the embedded server. Its data stay.

    \b
    Example: python -m runner db stop
    """
    output.say("stopped" if address.embedded(here.folder).stop() else "it was not running")


@project_command("url", group=command)
def url(here: Workspace) -> None:
    """Print the connection string of the server in use, without the password.

    Starts the embedded server if that is the one.

    \b
    Example: psql "$(python -m runner db url)"
    """
    output.answer(_without_password(here.database().conninfo)[0])


@command.command(
    "psql",
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_workspace
def psql(here: Workspace, arguments: tuple[str, ...]) -> None:
    """Open psql on the server in use, and pass all arguments to psql.

    `-d` replaces the connection string; `-c '\\connect NAME'` opens another database of the server.

    \b
    Example: python -m runner db psql -c 'table reporting.growth_accounting'
    """
    server = here.database()
    with server.session() as session:
        version = session.row("select current_setting('server_version_num')::int as number")
    # All users can list the arguments of a process, but only its owner can read its environment.
    conninfo, password = _without_password(server.conninfo)
    os.execve(
        psql_path(version["number"] // 10_000),
        ["psql", *([conninfo] if conninfo else []), *arguments],
        {**os.environ, **({"PGPASSWORD": password} if password else {})},
    )


def _without_password(conninfo: str) -> tuple[str, str | None]:
    """Return a connection string without its password, and the password."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    given = {name: str(value) for name, value in parts.items()}
    return (make_conninfo(**given), str(password)) if password else (conninfo, None)


@project_command("delete-data", group=command)
def delete_data(here: Workspace) -> None:
    """Delete the data of the embedded server, after asking.

    \b
    Example: python -m runner db delete-data
    """
    embedded = address.embedded(here.folder)
    click.confirm(f"delete {embedded.data} and everything in it?", abort=True)
    output.say("deleted" if embedded.delete() else "there was nothing to delete")
