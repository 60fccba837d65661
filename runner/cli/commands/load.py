from pathlib import Path
from typing import Any

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command
from runner.cli.progress import show_progress
from runner.setup.csv_times import DateOrder
from runner.setup.load_csv import SHOW_REJECTS, load


@project_command("load", json_option)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--into", metavar="SCHEMA.TABLE", help="Target table (default: source of the first pipeline)."
)
@click.option("--as-history", is_flag=True, help="Load each row as if it arrived when it happened.")
@click.option(
    "--dates",
    type=click.Choice(["dmy", "mdy"]),
    help="Order of dates that do not begin with the year: 31/01/2026 or 01/31/2026.",
)
@click.option("--again", is_flag=True, help="Load the file even if it was loaded before.")
def command(here: Workspace, /, file: Path, dates: DateOrder | None, **wanted: Any) -> None:
    """Load a CSV file with a header into a source.

    Times begin with the year, as in 2026-01-31 10:00:00, unless --dates names another order. Lines
    that do not fit the table go to orchestrator.load_rejects, with the reason.

    \b
    Example: python -m runner load events.csv --as-history
    """
    with show_progress() as progress:
        loaded = load(
            here.database(),
            file,
            dates=dates or "ymd",
            on_progress=lambda done, total: progress.show(f"load {file.name}", done, total),
            **wanted,
        )
    output.data({"rows": loaded.rows, "rejected": loaded.rejected})
    output.say(f"load: {output.number(loaded.rows, 'row')} from {file} into {loaded.table}")
    if loaded.is_behind:
        output.say(
            f"some are older than the watermark; to load them: {output.program()} ingest --sweep"
        )
    if loaded.rejected:
        lines = output.number(loaded.rejected, "line")
        output.warn(f"rejected {lines}; see orchestrator.load_rejects for reasons", SHOW_REJECTS)
