"""`load`: a CSV file into the source."""

from pathlib import Path

import click

from runner.cli import output
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import json_option
from runner.cli.progress import live
from runner.setup.load_csv import SHOW_REJECTS, load


@click.command("load", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--into",
    metavar="SCHEMA.TABLE",
    help="Table to load into (default: the source of the first pipeline).",
)
@click.option(
    "--as-history", is_flag=True, help="Load each row as if it had arrived when it happened."
)
@click.option("--again", is_flag=True, help="Load the file even if it was loaded before.")
@json_option
@click.pass_obj
def command(project: Path, file: Path, into: str | None, as_history: bool, again: bool) -> None:
    """Load a CSV file into a source.

    The file needs a header. Lines that do not fit the table are set aside in public.load_rejects,
    with the reason.

    \b
    Example: python -m runner load events.csv --as-history
    """
    with live() as progress:
        loaded = load(
            database(project),
            file,
            as_history,
            again,
            lambda done, total: progress.show(f"load {file.name}", done, total),
            into,
        )
    output.data({"rows": loaded.rows, "rejected": loaded.rejected})
    rows = "1 row" if loaded.rows == 1 else f"{loaded.rows:,} rows"
    output.say(f"load: {rows} from {file} into {loaded.table}")
    if loaded.is_behind:
        output.say(
            f"some are older than the watermark; read them: {output.program()} ingest --sweep"
        )
    if loaded.rejected:
        lines = "1 line" if loaded.rejected == 1 else f"{loaded.rejected:,} lines"
        output.warn(f"{lines} did not fit; public.load_rejects has the reasons", SHOW_REJECTS)
