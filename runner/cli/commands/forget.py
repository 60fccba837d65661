from dataclasses import asdict

import click

from runner.cli import output
from runner.cli.command import Workspace, json_option, project_command, yes_option
from runner.cli.progress import show_progress
from runner.cli.show import build as show_build
from runner.erasure.erase import Erased, InSource
from runner.erasure.forget import forget, inspect

PLACES = {
    "rows": "rows of the replica",
    "images": "earlier versions of the rows",
    "rejects": "rejected rows",
    "lines": "rejected lines of files",
    "texts": "messages, errors and samples that show a value",
}


@project_command("forget", yes_option, json_option)
@click.argument("pipeline")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="COLUMN=VALUE",
    help="Erase the rows in which COLUMN has this VALUE; VALUE alone if the key is a single column."
    " Can be repeated: several values of one column are alternatives, and different columns must"
    " all match.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be erased, and change nothing.")
def command(
    here: Workspace, pipeline: str, keys: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Erase a person, or a row, from everything that was loaded and built.

    Erases the rows from the replica, with their earlier versions, rejected rows, and messages and
    samples that show a value. A full build then removes them from all tables. Only the counts are
    recorded, in a run of kind forget. Delete the rows in the source first; until then, nothing is
    erased.

    \b
    Example: python -m runner forget event_stream --key user_id=u_42 --dry-run
    """
    database, manifest = here.database(), here.manifest()
    found, in_source = inspect(database, manifest, pipeline, keys)
    _show(found, in_source)
    if dry_run or not (found.total or in_source.rows):
        data = {"run": None, **asdict(found), "in_source": in_source.rows}
        output.data({**data, "problem": in_source.problem})
        return
    if not in_source.rows:
        output.confirm("erase them for good?", "--yes erases them without asking", yes)
    with show_progress() as progress:
        done = forget(database, manifest, pipeline, keys, progress)
    show_build.summary(done.build, progress)
    output.say(f"forget {done.run_id}: {output.number(done.erased.total, 'record')} erased")
    for target in done.others:
        again = f"{output.program()} build --target {target}"
        output.warn(f"target {target} keeps them until its next build", again)
    answer = {"run": done.run_id, **asdict(done.erased), "others": done.others}
    output.data({**answer, "build": show_build.as_data(done.build)})


def _show(erased: Erased, in_source: InSource) -> None:
    if not erased.total:
        output.say("forget: nothing was found")
    else:
        for name, count in asdict(erased).items():
            output.say(f"{count:>12,}  {PLACES[name]}")
    if in_source.problem:
        output.warn(
            f"cannot check whether the source still has such rows: {in_source.problem}",
            "if it does, the next sweep brings them back",
        )
    elif in_source.rows:
        output.say(f"{in_source.rows:>12,}  rows of the source, to be deleted there first")
