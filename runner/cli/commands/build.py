"""`build`: bring the derived tables up to date, as one version."""

from pathlib import Path

import click

from runner.build.build import build
from runner.cli import output, show_build
from runner.cli.connect import database
from runner.cli.groups import Command
from runner.cli.options import jobs_option, json_option, select_option, target_option
from runner.cli.progress import live
from runner.project.manifest import load
from runner.project.target import Target


@click.command("build", cls=Command)
@select_option("Build these scripts in full, and everything downstream of them.")
@jobs_option
@target_option
@json_option
@click.pass_obj
def command(project: Path, patterns: tuple[str, ...], jobs: int | None, target: Target) -> None:
    """Bring the tables up to date, in one commit.

    Only scripts with something new to do run. Readers see the new version when all checks have
    passed; a build that fails changes nothing. The first build of a large table runs several
    scripts at once, and meanwhile nothing is ingested.

    \b
    Example: python -m runner build -s fact_miles_earned
    """
    manifest = load(project)
    with live() as progress:
        done = build(database(project), manifest, target, patterns, jobs, progress)
    show_build.summary(done, progress)
    output.data(show_build.as_data(done))
