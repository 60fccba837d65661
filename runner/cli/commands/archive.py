from dataclasses import asdict
from pathlib import Path

import click

from runner.archive.archive import Month, archive, inspect, is_month
from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, yes_option
from runner.cli.progress import show_progress


def _read_month(context: click.Context, parameter: click.Parameter, text: str) -> str:
    if not is_month(text):
        raise click.BadParameter("a month, such as 2026-01")
    return text


@project_command("archive", yes_option, json_option)
@click.argument("pipeline", required=False)
@click.option(
    "--before",
    required=True,
    metavar="MONTH",
    callback=_read_month,
    help="Archive all months before this one, such as 2026-01.",
)
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("archive"),
    metavar="DIR",
    help="Folder to write to.",
)
def command(here: Workspace, pipeline: str | None, before: str, folder: Path, yes: bool) -> None:
    """Move old months of replicas into CSV files, after asking.

    Archives PIPELINE, or all pipelines whose replicas are partitioned by month. The facts and
    everything built from them stay as they are. A month is dropped in one transaction, after its
    file has been compared with its rows. `ingest` is blocked meanwhile.

    \b
    Example: python -m runner archive --before 2026-01
    """
    database, manifest = here.database(), here.manifest()
    found = inspect(database, manifest, before, folder, pipeline)
    if not found:
        output.say(f"archive: nothing before {before} to archive")
        output.data([])
        return
    output.table([asdict(each) for each in found], columns=("pipeline", "month", "rows", "file"))
    output.confirm("write these files and drop the rows?", "--yes archives without asking", yes)
    with show_progress() as progress:
        done = archive(database, manifest, before, folder, pipeline, progress.waiting, _show)
    output.data([{**asdict(each), "file": str(each.file)} for each in done])


def _show(month: Month) -> None:
    rows = output.number(month.rows, "row")
    output.say(f"archived {month.month} of {month.pipeline}: {rows} in {month.file}")
