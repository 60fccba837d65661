"""`db`: the embedded server, and psql on whichever server is used."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import Group


@click.group("db", cls=Group)
def command() -> None:
    """Start, stop and reach the server."""


@command.command("start")
@click.pass_obj
def start(project: Path) -> None:
    """Start the embedded server; it runs until `db stop`.

    \b
    Example: python -m runner db start
    """
    from runner.cli import output
    from runner.database import address as server

    running = server.embedded(project).start()
    output.say(f"running: {running.uri}")


@command.command("stop")
@click.pass_obj
def stop(project: Path) -> None:
    """Stop the embedded server. Its data stay.

    \b
    Example: python -m runner db stop
    """
    from runner.cli import output
    from runner.database import address as server

    was_running = server.embedded(project).stop()
    output.say("stopped" if was_running else "it was not running")


@command.command("url")
@click.pass_obj
def url(project: Path) -> None:
    """Print where to connect to; starts the embedded server if that is the one.

    \b
    Example: psql "$(python -m runner db url)"
    """
    from runner.cli import output
    from runner.database import address as server

    output.answer(server.find(project).conninfo)


@command.command(
    "psql",
    cls=click.Command,
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def psql(project: Path, arguments: tuple[str, ...]) -> None:
    """Open psql; arguments go to it.

    \b
    Example: python -m runner db psql -c 'table reporting.growth_accounting'
    """
    import os

    from runner.database import address as server
    from runner.database.binaries import psql_path
    from runner.database.session import Database

    conninfo = server.find(project).conninfo
    with Database(conninfo).session() as session:
        major = int(
            session.row("select current_setting('server_version_num')::int / 10000 as major")[
                "major"
            ]
        )
    os.execv(psql_path(major), ["psql", *([conninfo] if conninfo else []), *arguments])


@command.command("delete-data")
@click.pass_obj
def delete_data(project: Path) -> None:
    """Delete the data of the embedded server, after asking.

    \b
    Example: python -m runner db delete-data
    """
    from runner.cli import output
    from runner.database import address as server

    embedded = server.embedded(project)
    click.confirm(f"delete {embedded.data} and everything in it?", abort=True)
    output.say("deleted" if embedded.delete() else "there was nothing to delete")
