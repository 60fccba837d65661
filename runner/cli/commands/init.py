from pathlib import Path

import click

from runner.cli import output
from runner.cli.command import Workspace
from runner.cli.groups import Command
from runner.database import address
from runner.errors import UsageError, did_you_mean
from runner.setup import like_miles, new_project


@click.command("init", cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--source", metavar="SCHEMA.TABLE", help="Table to read (default: an example).")
@click.option("--key", metavar="COLUMN", help="Column that identifies its rows.")
@click.option("--cursor", metavar="COLUMN", help="Timestamp that is set whenever a row is written.")
@click.option(
    "--like",
    type=click.Choice(["miles"]),
    help="Copy the shipped warehouse, and build it from the events in --source.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=COLUMN",
    help="With --like: the role of a column, such as event_time=occurred_at. Can be repeated.",
)
@click.option("--timezone", metavar="ZONE", help="With --like: time zone of times that have none.")
def command(
    folder: Path,
    source: str | None,
    key: str | None,
    cursor: str | None,
    like: str | None,
    columns: tuple[str, ...],
    timezone: str | None,
) -> None:
    """Create a new project.

    The project has one pipeline, a fact table with its check, and a report. Without --source, it
    includes a small example table. With --like, it is a copy of the shipped warehouse: the command
    reads the columns of the source, asks for their roles, and writes the answers to the manifest.
    Only --like needs a server.

    \b
    Example: python -m runner init shop
             python -m runner init app --like miles --source public.activity
    """
    if like:
        if source is None or key or cursor:
            raise UsageError(
                "--like needs --source, and no --key or --cursor", "--source app.events"
            )
        _write_miles(folder, source, columns, timezone)
        return
    if columns or timezone:
        raise UsageError("--column and --timezone need --like", "--like miles --source ...")
    table = new_project.parse(source, key, cursor)
    files = new_project.write(folder, table, is_example=source is None)
    needs_server = source is not None and not address.is_given()
    steps = new_project.next_steps(folder, table, output.program(), needs_server=needs_server)
    for title, lines in ((f"{folder}: {len(files)} files", files), ("next:", steps)):
        output.say("\n".join([title, *(f"  {line}" for line in lines)]))


def _write_miles(folder: Path, source: str, columns: tuple[str, ...], timezone: str | None) -> None:
    given = dict(_role(each) for each in columns)
    with Workspace(click.get_current_context().obj).database().session() as session:
        found = like_miles.columns(session, source)
    asked = output.is_terminal() and not columns
    ask = (lambda role, likely: click.prompt(role, default=likely)) if asked else None
    chosen = like_miles.choose(found, given, ask)
    files = like_miles.write(folder, source, found, chosen, timezone)
    output.say(f"{folder}: {len(files)} files; sql/manifest.toml has the roles of the columns:")
    for role, column in chosen.items():
        output.say(f"  {role:<22}{column or 'none'}")
    output.say(f"next: cd {folder}, then {output.program()} schema apply")


def _role(text: str) -> tuple[str, str]:
    role, equals, column = text.partition("=")
    if not equals or role not in like_miles.USUAL:
        roles = ", ".join(like_miles.USUAL)
        raise UsageError(
            f"--column {text} is not a ROLE=COLUMN",
            did_you_mean(role, like_miles.USUAL, f"the roles are {roles}"),
        )
    return role, column
