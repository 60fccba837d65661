"""`rebuild`: everything from scratch, of which only differences are published."""

from pathlib import Path

import click

from runner.build.rebuild import rebuild
from runner.cli import output, show_build
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import jobs_option, json_option, target_option
from runner.cli.progress import live
from runner.project.manifest import load
from runner.project.target import Target


@click.command("rebuild", cls=Command)
@jobs_option
@target_option
@json_option
@click.pass_obj
def command(project: Path, jobs: int | None, target: Target) -> None:
    """Rebuild all tables from scratch and publish the differences.

    The rebuild happens in a scratch schema; readers see the old version until its checks have
    passed. Meanwhile nothing is ingested: `ingest` exits with 3.

    \b
    Example: python -m runner rebuild -j 2
    """
    manifest = load(project)
    with live() as progress:
        done = rebuild(database(project), manifest, target, jobs, progress)
    show_build.summary(done, progress, "rebuild")
    output.data(show_build.as_data(done))
